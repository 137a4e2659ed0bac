import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { apis } from '../broker/protocol/api-keys.ts'
import { errorCode } from '../broker/protocol/error-codes.ts'
import { decodeRecords } from '../broker/protocol/record-batch.ts'
import { fetchBody, produceBody } from './lib/api-bodies.ts'
import { Cluster } from './lib/cluster.ts'
import { batchesIn, fetchBatches, topicIdOf } from './lib/fetch.ts'
import { batchOf } from './lib/produce.ts'
import { until } from './lib/wait.ts'
import { WireClient } from './lib/wire-client.ts'

/** Longer than any test may take: what is answered at all was woken by something else. */
const FOREVER_MS = 600_000

let cluster: Cluster
let port: number
let client: WireClient
let reader: WireClient
let topic = ''
let topics = 0
let topicId: string

beforeAll(async () => {
  cluster = await Cluster.start(1)
  port = cluster.running[0]?.ports.kafka ?? 0
  client = await WireClient.connect(port)
  reader = await WireClient.connect(port)
})
afterAll(async () => {
  client.close()
  reader.close()
  await cluster.close()
})
beforeEach(async () => {
  topic = `fetched-${topics++}`
  await cluster.createTopic(topic, 3)
  topicId = await topicIdOf(port, topic)
})

async function produce(values: ReadonlyMap<number, string>, acks = -1): Promise<number[]> {
  const batches = new Map([...values].map(([partition, value]) => [partition, batchOf(value)]))
  const { responses } = await client.request(apis.produce, 12, produceBody(topic, batches, acks))
  return (responses[0]?.partitionResponses ?? []).map((answer) => {
    expect(answer.errorCode).toBe(errorCode.NONE)
    return answer.baseOffset
  })
}

/** A fetch on the reader's connection: what it got, as partition → values. */
async function fetchValues(
  partitions: readonly { partition: number; fetchOffset: number }[],
  limits: { maxWaitMs?: number; maxBytes?: number } = {},
): Promise<Map<number, string[]>> {
  const { responses } = await reader.request(apis.fetch, 16, fetchBody(topicId, partitions, limits))
  const values = new Map<number, string[]>()
  for (const { partitionIndex, records } of responses[0]?.partitions ?? []) {
    const batches = batchesIn(records ?? Buffer.alloc(0))
    const read = batches.flatMap((batch) => decodeRecords(batch))
    values.set(
      partitionIndex,
      read.map(({ value }) => value?.toString() ?? ''),
    )
  }
  return values
}

describe('a consumer that waits', () => {
  test('is answered once a record is durable, and not before', async () => {
    const order: string[] = []
    const answer = fetchValues([{ partition: 0, fetchOffset: 0 }], { maxWaitMs: FOREVER_MS })
    const answered = answer.then((values) => {
      order.push('consumer')
      return values
    })
    // Another request behind it on the same broker is answered: the first one is waiting by now.
    await produce(new Map([[1, 'elsewhere']]))
    order.push('produced elsewhere')
    await produce(new Map([[0, 'awaited']]))
    expect(await answered).toEqual(new Map([[0, ['awaited']]]))
    expect(order).toEqual(['produced elsewhere', 'consumer'])
  })

  test('is answered at once when there is something already, however old', async () => {
    await produce(new Map([[0, 'old']]))
    for (let times = 0; times < 2; times++) {
      const values = fetchValues([{ partition: 0, fetchOffset: 0 }], { maxWaitMs: FOREVER_MS })
      expect(await values).toEqual(new Map([[0, ['old']]]))
    }
  })

  test('gets the record of any of its partitions', async () => {
    const answer = fetchValues(
      [0, 1, 2].map((partition) => ({ partition, fetchOffset: 0 })),
      { maxWaitMs: FOREVER_MS },
    )
    await produce(new Map([[2, 'third']]))
    expect((await answer).get(2)).toEqual(['third'])
  })

  test('is told when the partition moves away', async () => {
    const other = await cluster.startBroker()
    const body = fetchBody(topicId, [{ partition: 0, fetchOffset: 0 }], { maxWaitMs: FOREVER_MS })
    const answer = reader.request(apis.fetch, 16, body)
    await client.request(apis.alterPartitionReassignments, 0, {
      timeoutMs: 10_000,
      topics: [
        {
          name: topic,
          partitions: [0, 1, 2].map((partitionIndex) => {
            return { partitionIndex, replicas: [other.nodeId] }
          }),
        },
      ],
    })
    expect((await answer).responses[0]?.partitions[0]).toMatchObject({
      errorCode: errorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: other.nodeId },
    })
    await other.terminate()
  })
})

describe('a record larger than the consumer wants (KIP-74)', () => {
  const large = 'large '.repeat(50_000)
  const wish = { maxBytes: 1_000 }

  /** From memory if `isTail`: what is new is kept there while somebody reads at the end. */
  async function prepare(isTail: boolean): Promise<void> {
    if (isTail) {
      await fetchValues([0, 1].map((partition) => ({ partition, fetchOffset: 0 })))
    }
    await produce(
      new Map([
        [0, large],
        [1, large],
      ]),
    )
    await produce(
      new Map([
        [0, 'after'],
        [1, 'after'],
      ]),
    )
  }

  test.each([
    ['memory', true],
    ['the bucket', false],
  ])('comes alone and whole from %s', async (_, isTail) => {
    await prepare(isTail)
    expect(await fetchValues([{ partition: 0, fetchOffset: 0 }], wish)).toEqual(
      new Map([[0, [large]]]),
    )
    expect(await fetchValues([{ partition: 0, fetchOffset: 1 }], wish)).toEqual(
      new Map([[0, ['after']]]),
    )
  })

  test.each([
    ['memory', true],
    ['the bucket', false],
  ])('comes of the first partition only, from %s', async (_, isTail) => {
    await prepare(isTail)
    const both = [0, 1].map((partition) => ({ partition, fetchOffset: 0 }))
    const values = await fetchValues(both, wish)
    expect(values.get(0)).toEqual([large])
    expect(values.get(1) ?? []).toEqual([])
  })
})

describe('a producer', () => {
  test.each([
    ['acks=1', 1],
    ['acks=all', -1],
  ])('with %s is told the offset of what can be read', async (_, acks) => {
    expect(await produce(new Map([[0, 'one']]), acks)).toEqual([0])
    expect(await produce(new Map([[0, 'two']]), acks)).toEqual([1])
    expect(await fetchValues([{ partition: 0, fetchOffset: 0 }])).toEqual(
      new Map([[0, ['one', 'two']]]),
    )
  })

  test('with acks=0 gets no answer, and its record is there', async () => {
    const silent = await WireClient.connect(port)
    silent.send(apis.produce, 12, produceBody(topic, new Map([[0, batchOf('unasked')]]), 0))
    // Answers come in the order of requests: had the first one been answered, this would be it.
    const { brokers } = await silent.request(apis.metadata, 12, {
      topics: [],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
    })
    expect(brokers).toHaveLength(1)
    await until('the record is there', async () => {
      return (await fetchBatches(port, topic, 0)).length === 1
    })
    silent.close()
  })

  test('with acks=0 and a partition that is not here loses its connection', async () => {
    const silent = await WireClient.connect(port)
    silent.send(apis.produce, 12, produceBody(topic, new Map([[99, batchOf('nowhere')]]), 0))
    const after = silent.request(apis.metadata, 12, {
      topics: [],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
    })
    await expect(after).rejects.toThrow('the connection is closed')
  })

  test('with other acks is refused', async () => {
    const body = produceBody(topic, new Map([[0, batchOf('x')]]), 2)
    const { responses } = await client.request(apis.produce, 12, body)
    expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(errorCode.INVALID_REQUIRED_ACKS)
  })
})
