import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../../base/clock.ts'
import { ownershipOf } from '../../metadata/image.ts'
import { type AnyApi, apis } from '../protocol/api-keys.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { codecOf, encodeToBuffer } from '../protocol/codec.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { decodeResponseHeader, responseHeaderVersion } from '../protocol/response-header.ts'
import { Request } from '../request.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'
import { FetchRedirects } from './fetch-redirects.ts'
import { handlers } from './index.ts'

const WAIT_MS_MAX = 10_000
const HEADER_POSITION = 4

let cluster: TestCluster
let former: TestBroker
let owner: TestBroker
let topicId: string

async function until(condition: () => boolean): Promise<void> {
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  while (!condition()) {
    if (systemClock.nowMs() > endMs) throw new Error('it does not come true')
    await sleep(systemClock, 5)
  }
}

/** Two partitions with a record each: 0 moves from `former` to `owner`, 1 stays at `former`. */
beforeAll(async () => {
  cluster = await TestCluster.start(2)
  former = cluster.brokers[0] as TestBroker
  owner = cluster.brokers[1] as TestBroker
  await createTopic(former, 't', [former.nodeId, former.nodeId])
  const record = { key: null, value: Buffer.from('x'), timestamp: 1 }
  for (const index of [0, 1]) await produce(former, 't', index, buildBatch([record]))
  const partitions = [{ partitionIndex: 0, replicas: [owner.nodeId] }]
  await former.call(apis.alterPartitionReassignments, 1, {
    timeoutMs: WAIT_MS_MAX,
    topics: [{ name: 't', partitions }],
  })
  topicId = former.broker.node.image.topicIds.get('t') ?? ''
  await until(() =>
    [former, owner].every(({ broker: { node } }) => {
      return ownershipOf(node.image, topicId, 0)?.nodeId === owner.nodeId
    }),
  )
})
afterAll(() => cluster.stop())

interface Answer {
  readonly errorCode: number
  readonly preferredReadReplica: number
  readonly leaderId: number
  readonly bytes: number
}

/** One connection to a broker, which many fetches come over. */
class FetchConnection {
  readonly listener = 'test'
  readonly remoteAddress = 'test'
  readonly isClosed = false
  private readonly client: TestBroker
  private onAnswered: () => void = () => {}

  constructor(client: TestBroker) {
    this.client = client
  }

  nowMs(): number {
    return systemClock.nowMs()
  }

  answered(): void {
    this.onAnswered()
  }

  close(): void {
    throw new Error('the broker closed the connection')
  }

  /** What is told of these partitions, in their order. */
  async fetch(version: number, partitions: readonly number[]): Promise<Answer[]> {
    const { broker } = this.client
    const wanted = partitions.map((partition) => {
      return { partition, fetchOffset: 0, partitionMaxBytes: 1_000 }
    })
    const encoded = encodeToBuffer(apis.fetch.request, version, {
      ...{ maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000, isolationLevel: 0 },
      topics: [{ topic: 't', topicId, partitions: wanted }],
      forgottenTopicsData: [],
    })
    const frame = broker.pool.take(encoded.length)
    encoded.copy(frame.buffer)
    const decoded = codecOf(apis.fetch.request, version).decode(frame.buffer)
    const api = apis.fetch as unknown as AnyApi
    const header = { api, version, correlationId: 7, clientId: null }
    const request = new Request(this, header, decoded, frame)
    const answered = new Promise<void>((resolve) => {
      this.onAnswered = resolve
    })
    handlers.get(api.key)?.(broker, request)
    await answered
    const bytes = Buffer.concat(request.pieces ?? [])
    request.sent()
    const headerVersion = responseHeaderVersion(apis.fetch.response, version)
    const { bodyPosition } = decodeResponseHeader(bytes, headerVersion, HEADER_POSITION)
    const response = codecOf(apis.fetch.response, version).decode(bytes, bodyPosition)
    const told = response.responses[0]?.partitions ?? []
    return partitions.map((partition) => {
      const found = told.find(({ partitionIndex }) => partitionIndex === partition)
      return {
        errorCode: found?.errorCode ?? -1,
        preferredReadReplica: found?.preferredReadReplica ?? -1,
        leaderId: found?.currentLeader?.leaderId ?? -1,
        bytes: found?.records?.length ?? 0,
      }
    })
  }
}

const moved = () => ({
  errorCode: errorCode.NOT_LEADER_OR_FOLLOWER,
  preferredReadReplica: -1,
  leaderId: owner.nodeId,
  bytes: 0,
})

describe('a consumer that asks a former owner', () => {
  test('is told the new one; if it asks again, it is sent there by an answer without error', async () => {
    const connection = new FetchConnection(former)
    const [first, other] = await connection.fetch(17, [0, 1])
    expect(first).toEqual(moved())
    expect(other).toMatchObject({ errorCode: 0, preferredReadReplica: -1 })
    const [again, stays] = await connection.fetch(17, [0, 1])
    expect(again).toMatchObject({ errorCode: 0, preferredReadReplica: owner.nodeId, bytes: 0 })
    expect(stays).toMatchObject({ errorCode: 0, preferredReadReplica: -1 })
    expect(stays?.bytes).toBeGreaterThan(0)
    // Some heed the error alone, and learned of the owner from a broker that did not know it yet.
    const answers = [await connection.fetch(17, [0]), await connection.fetch(17, [0])]
    expect(answers[0]).toEqual([moved()])
    expect(answers[1]?.[0]).toMatchObject({ errorCode: 0, preferredReadReplica: owner.nodeId })
  })

  test('hears an error on every other connection, and in versions without preferred replicas', async () => {
    const old = new FetchConnection(former)
    for (const _ of [1, 2, 3]) {
      expect((await old.fetch(10, [0]))[0]?.errorCode).toBe(errorCode.NOT_LEADER_OR_FOLLOWER)
    }
    for (const _ of [1, 2, 3]) {
      expect(await new FetchConnection(former).fetch(17, [0])).toEqual([moved()])
    }
  })

  test('who asks the new owner is not sent anywhere', async () => {
    const connection = new FetchConnection(owner)
    for (const _ of [1, 2]) {
      const [answer] = await connection.fetch(17, [0])
      expect(answer).toMatchObject({ errorCode: 0, preferredReadReplica: -1 })
      expect(answer?.bytes).toBeGreaterThan(0)
    }
  })
})

describe('FetchRedirects', () => {
  test('who asks again after an error is sent on, and who asks after that too hears the error', () => {
    const redirects = new FetchRedirects()
    const told: string[] = []
    for (let nowMs = 0; nowMs < 5_000; nowMs += 1_000) {
      const how = redirects.asked('t', 0, nowMs)
      redirects.tell('t', 0, how, nowMs)
      told.push(how)
    }
    expect(told).toEqual(['error', 'redirect', 'error', 'redirect', 'error'])
    // It is known by now not to heed errors: of other partitions it hears the other way first.
    expect(redirects.asked('t', 1, 5_000)).toBe('redirect')
  })

  test('deaf is who asks again for the same, soon; and is so for a while', () => {
    const redirects = new FetchRedirects()
    expect(redirects.asked('t', 0, 0)).toBe('error')
    redirects.tell('t', 0, 'error', 0)
    expect(redirects.asked('t', 1, 10)).toBe('error')
    expect(redirects.asked('t', 0, 10_001)).toBe('error')
    expect(redirects.isDeaf(10_001)).toBe(false)
    redirects.tell('t', 0, 'error', 20_000)
    expect(redirects.asked('t', 0, 20_010)).toBe('redirect')
    expect([redirects.isDeaf(80_010), redirects.isDeaf(80_011)]).toEqual([true, false])
  })

  test('what was told long ago is forgotten when more is told', () => {
    const redirects = new FetchRedirects()
    redirects.tell('t', 0, 'error', 0)
    redirects.tell('t', 1, 'error', 20_000)
    expect(redirects.asked('t', 0, 20_010)).toBe('error')
    expect(redirects.isDeaf(20_010)).toBe(false)
  })
})
