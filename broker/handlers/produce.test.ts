import { afterEach, describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../../base/clock.ts'
import { succession } from '../../controller/takeover.ts'
import { type AnyApi, apis } from '../protocol/api-keys.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { codecOf, encodeToBuffer } from '../protocol/codec.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { decodeResponseHeader, responseHeaderVersion } from '../protocol/response-header.ts'
import { Request } from '../request.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'
import { handleProduce } from './produce.ts'

const VERSION = 9
const SIZE_BYTES = 4
const WAIT_MS_MAX = 10_000
const clusters: TestCluster[] = []

afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.stop()
})

async function until(isSo: () => boolean): Promise<void> {
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  while (!isSo()) {
    if (systemClock.nowMs() > endMs) throw new Error('in vain')
    await sleep(systemClock, 5)
  }
}

interface Sent {
  readonly topic: string
  readonly index?: number
  readonly records?: Buffer | null
}

/** What a produce was answered: per partition, the error or the offset. */
type Answer = 'pending' | 'nothing' | (number | string)[]

/** One connection of a client; requests on it are worked on in their order. */
class TestConnection {
  readonly answers: Answer[] = []
  isClosed = false
  private readonly client: TestBroker

  constructor(client: TestBroker) {
    this.client = client
  }

  send(sent: readonly Sent[], acks = -1): void {
    const body = {
      transactionalId: null,
      acks,
      timeoutMs: 1_000,
      topicData: sent.map(({ topic, index = 0, records = batch() }) => ({
        name: topic,
        partitionData: [{ index, records }],
      })),
    }
    const encoded = encodeToBuffer(apis.produce.request, VERSION, body)
    const frame = this.client.broker.pool.take(encoded.length)
    encoded.copy(frame.buffer)
    const at = this.answers.push('pending') - 1
    const channel = this.channel
    const header = { correlationId: at, clientId: null, version: VERSION }
    const decoded = codecOf(apis.produce.request, VERSION).decode(frame.buffer)
    const api = apis.produce as unknown as AnyApi
    const request = new Request(channel, { ...header, api }, decoded, frame)
    request.onAnswered = () => {
      expect(this.answers[at]).toBe('pending')
      this.answers[at] = answerOf(request)
      request.sent()
    }
    handleProduce(this.client.broker, request)
  }

  // One object for all requests: the order of a connection hangs on it.
  private readonly channel = {
    listener: 'test',
    remoteAddress: 'test',
    isClosed: false,
    nowMs: () => systemClock.nowMs(),
    answered: () => {},
    close: () => {
      this.isClosed = true
    },
  }
}

function answerOf(request: Request): Answer {
  if (request.pieces === null || request.pieces.length === 0) return 'nothing'
  const bytes = Buffer.concat(request.pieces)
  const { response } = apis.produce
  const headerVersion = responseHeaderVersion(response, VERSION)
  const { bodyPosition } = decodeResponseHeader(bytes, headerVersion, SIZE_BYTES)
  const { responses } = codecOf(response, VERSION).decode(bytes, bodyPosition)
  const names = Object.entries(errorCode)
  return responses.flatMap(({ partitionResponses }) =>
    partitionResponses.map(({ errorCode: code, baseOffset }) =>
      code === 0 ? baseOffset : (names.find(([, value]) => value === code)?.[0] ?? code),
    ),
  )
}

function batch(value = 'x', sequence = -1): Buffer {
  const producer = sequence < 0 ? {} : { producerId: 5, producerEpoch: 0, baseSequence: sequence }
  return buildBatch([{ key: null, value: Buffer.from(value), timestamp: 1 }], producer)
}

async function start(brokers: number): Promise<{ cluster: TestCluster; clients: TestBroker[] }> {
  const cluster = await TestCluster.start(brokers)
  clusters.push(cluster)
  return { cluster, clients: cluster.brokers }
}

async function broker(): Promise<TestBroker> {
  const { clients } = await start(1)
  return clients[0] as TestBroker
}

describe('a produce request', () => {
  test('is answered once, when all of it is durable, each partition with its own outcome', async () => {
    const client = await broker()
    await createTopic(client, 't', [client.nodeId, client.nodeId])
    const connection = new TestConnection(client)
    const broken = batch()
    broken[broken.length - 1] = (broken[broken.length - 1] as number) ^ 1
    connection.send([
      { topic: 't' },
      { topic: 't', index: 1, records: broken },
      { topic: 't', index: 9 },
      { topic: 'unknown' },
      { topic: 't', index: 1 },
      { topic: 't', index: 1, records: null },
    ])
    await until(() => connection.answers[0] !== 'pending')
    expect(connection.answers).toEqual([
      [
        0,
        'CORRUPT_MESSAGE',
        'UNKNOWN_TOPIC_OR_PARTITION',
        'UNKNOWN_TOPIC_OR_PARTITION',
        0,
        'INVALID_RECORD',
      ],
    ])
    expect(client.broker.pool.bytesInUse).toBe(0)
  })

  test('with acks=0 gets no answer; an error closes its connection, as there is no other way to tell', async () => {
    const client = await broker()
    await createTopic(client, 't')
    const good = new TestConnection(client)
    good.send([{ topic: 't' }], 0)
    await until(() => good.answers[0] !== 'pending')
    expect([good.answers, good.isClosed]).toEqual([['nothing'], false])
    const bad = new TestConnection(client)
    bad.send([{ topic: 'unknown' }], 0)
    await until(() => bad.answers[0] !== 'pending')
    expect([bad.answers, bad.isClosed]).toEqual([['nothing'], true])
    good.send([{ topic: 't' }], 2)
    good.send([{ topic: 't' }], 1)
    await until(() => !good.answers.includes('pending'))
    expect(good.answers.slice(1)).toEqual([['INVALID_REQUIRED_ACKS'], [1]])
    expect(client.broker.pool.bytesInUse).toBe(0)
  })

  test('of a producer that outlives its topic is taken in a new one of that name', async () => {
    const client = await broker()
    const connection = new TestConnection(client)
    await createTopic(client, 't')
    connection.send([{ topic: 't', records: batch('x', 0) }])
    await until(() => !connection.answers.includes('pending'))
    await client.call(apis.deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1000 })
    await createTopic(client, 't')
    for (const sequence of [1, 2, 4, 1]) {
      connection.send([{ topic: 't', records: batch('x', sequence) }])
    }
    await until(() => !connection.answers.includes('pending'))
    const expected = [[0], [0], [1], ['OUT_OF_ORDER_SEQUENCE_NUMBER'], [0]]
    expect(connection.answers).toEqual(expected)
  })

  test('that repeats one under way gets the same answer, and adds nothing', async () => {
    const client = await broker()
    await createTopic(client, 't')
    const connection = new TestConnection(client)
    for (const sequence of [0, 1, 0, 2, 1, 5]) {
      connection.send([{ topic: 't', records: batch('x', sequence) }])
    }
    await until(() => !connection.answers.includes('pending'))
    expect(connection.answers).toEqual([[0], [1], [0], [2], [1], ['OUT_OF_ORDER_SEQUENCE_NUMBER']])
    expect(client.broker.pool.bytesInUse).toBe(0)
  })
})

test('with acks=all, one broker takes what min.insync.replicas would ask more replicas for', async () => {
  const cluster = await TestCluster.start(1, { 'min.insync.replicas': '2' })
  clusters.push(cluster)
  const client = cluster.brokers[0] as TestBroker
  const configs = [{ name: 'min.insync.replicas', value: '2' }]
  const topic = { numPartitions: 1, replicationFactor: 3, assignments: [] }
  const { topics } = await client.call(apis.createTopics, 7, {
    topics: [
      { ...topic, name: 'own', configs },
      { ...topic, name: 'inherited', configs: [] },
    ],
  })
  expect(topics.map(({ errorCode: code }) => code)).toEqual([0, 0])
  const connection = new TestConnection(client)
  // The store's copies are the replicas: there are none of ours that could be out of sync.
  connection.send([{ topic: 'own' }, { topic: 'inherited' }], -1)
  await until(() => connection.answers[0] !== 'pending')
  expect(connection.answers).toEqual([[0, 0]])
})

test('what must be packed anew is not overtaken by what the same client sends after it', async () => {
  const client = await broker()
  await createTopic(client, 'plain')
  const { topics } = await client.call(apis.createTopics, 7, {
    topics: [
      {
        name: 'packed',
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [{ name: 'compression.type', value: 'zstd' }],
      },
    ],
  })
  expect(topics[0]?.errorCode).toBe(0)
  const connection = new TestConnection(client)
  const large = 'x'.repeat(500_000)
  // A large one takes longer than the small ones behind it.
  connection.send([{ topic: 'packed', records: batch(large, 0) }])
  for (let sequence = 1; sequence < 5; sequence++) {
    connection.send([{ topic: 'packed', records: batch('x', sequence) }])
  }
  connection.send([{ topic: 'plain' }, { topic: 'packed', records: batch('x', 5) }])
  await until(() => !connection.answers.includes('pending'))
  expect(connection.answers).toEqual([[0], [1], [2], [3], [4], [0, 5]])
  expect(client.broker.pool.bytesInUse).toBe(0)
})

describe('while a partition is on its way here', () => {
  /** Partition 0 of `moving` comes to the second broker, but the first one's close cannot land. */
  async function stuckMove() {
    const { cluster, clients } = await start(2)
    const [old, next] = clients as [TestBroker, TestBroker]
    await createTopic(next, 'moving', [old.nodeId])
    await createTopic(next, 'open', [next.nodeId])
    const { putIfAbsent } = cluster.store
    let release: () => void = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    cluster.store.putIfAbsent = async (key, body) => {
      if (key.startsWith('wal/') && key.includes(`/${old.nodeId}/`)) await released
      return putIfAbsent(key, body)
    }
    const topicId = next.broker.node.image.topicIds.get('moving') ?? ''
    await next.broker.node.append((image) => {
      const ownership = image.topics.get(topicId)?.partitions[0]
      return ownership ? [succession({ topicId, partition: 0, ownership }, next.nodeId)] : null
    })
    await until(() => next.broker.node.partitions.get(topicId, 0) !== undefined)
    return { next, release, partition: next.broker.node.partitions.get(topicId, 0) }
  }

  test('its produces wait, and what the same client sends afterwards does not overtake them', async () => {
    const { next, release, partition } = await stuckMove()
    const connection = new TestConnection(next)
    connection.send([{ topic: 'moving', records: batch('x', 0) }])
    connection.send([{ topic: 'open', records: batch('x', 0) }])
    connection.send([{ topic: 'moving', records: batch('x', 1) }])
    const other = new TestConnection(next)
    other.send([{ topic: 'open' }])
    await until(() => other.answers[0] !== 'pending')
    expect(other.answers).toEqual([[0]])
    expect(connection.answers).toEqual(['pending', 'pending', 'pending'])
    release()
    await until(() => !connection.answers.includes('pending'))
    expect(connection.answers).toEqual([[0], [1], [1]])
    expect([partition?.openWaiterCount, next.broker.pool.bytesInUse]).toEqual([0, 0])
  })

  test('that never comes, all are sent back to ask again after the same few seconds', async () => {
    const { next, release, partition } = await stuckMove()
    const connection = new TestConnection(next)
    for (let count = 0; count < 20; count++) connection.send([{ topic: 'moving' }])
    await until(() => !connection.answers.includes('pending'))
    expect(connection.answers.flat()).toEqual(Array(20).fill('NOT_LEADER_OR_FOLLOWER'))
    expect([partition?.openWaiterCount, next.broker.pool.bytesInUse]).toEqual([0, 0])
    release()
  })
})
