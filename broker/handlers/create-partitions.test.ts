import { afterEach, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

let cluster: TestCluster
afterEach(() => cluster.stop())

const BATCH = [{ key: null, value: Buffer.from('x'), timestamp: 1 }]

async function grow(
  client: TestBroker,
  count: number,
  more: { name?: string; assignments?: readonly number[][]; validateOnly?: boolean } = {},
): Promise<number | undefined> {
  const { name = 't', assignments, validateOnly = false } = more
  const { results } = await client.call(apis.createPartitions, 3, {
    topics: [
      {
        name,
        count,
        assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
      },
    ],
    timeoutMs: 1000,
    validateOnly,
  })
  return results[0]?.errorCode
}

function ownersOf(client: TestBroker): number[] {
  const { image } = client.broker.node
  const topic = image.topics.get(image.topicIds.get('t') ?? '')
  return topic?.partitions.map(({ nodeId }) => nodeId) ?? []
}

test('new partitions are spread, or go where the request says, and take records', async () => {
  cluster = await TestCluster.start(2)
  const [first, second] = cluster.brokers as [TestBroker, TestBroker]
  await createTopic(first, 't', [first.nodeId])
  expect(await grow(first, 3, { validateOnly: true })).toBe(0)
  expect(ownersOf(first)).toEqual([first.nodeId])
  expect(await grow(first, 4)).toBe(0)
  expect(ownersOf(first).filter((nodeId) => nodeId === second.nodeId).length).toBe(2)
  const assignments = [[second.nodeId, first.nodeId], [first.nodeId]]
  expect(await grow(second, 6, { assignments })).toBe(0)
  expect(ownersOf(second).slice(4)).toEqual([second.nodeId, first.nodeId])
  expect((await produce(second, 't', 4, buildBatch(BATCH))).errorCode).toBe(0)
  expect((await produce(first, 't', 5, buildBatch(BATCH))).errorCode).toBe(0)
})

test('what cannot grow is refused with Kafka errors', async () => {
  cluster = await TestCluster.start(1)
  const client = cluster.brokers[0] as TestBroker
  await createTopic(client, 't', [client.nodeId, client.nodeId])
  expect(await grow(client, 2)).toBe(errorCode.INVALID_PARTITIONS)
  expect(await grow(client, 1)).toBe(errorCode.INVALID_PARTITIONS)
  expect(await grow(client, 3, { name: 'u' })).toBe(errorCode.UNKNOWN_TOPIC_OR_PARTITION)
  expect(await grow(client, 20_000)).toBe(errorCode.POLICY_VIOLATION)
  for (const assignments of [[], [[0], [0]], [[]], [[0, 0]]]) {
    expect(await grow(client, 3, { assignments })).toBe(errorCode.INVALID_REPLICA_ASSIGNMENT)
  }
  expect(ownersOf(client).length).toBe(2)
})

test('an election is never needed, and tools hear so of each partition that they name', async () => {
  cluster = await TestCluster.start(1)
  const client = cluster.brokers[0] as TestBroker
  await createTopic(client, 't')
  const elect = async (topicPartitions: { topic: string; partitions: number[] }[] | null) => {
    const body = { electionType: 0, topicPartitions, timeoutMs: 1000 }
    const { replicaElectionResults } = await client.call(apis.electLeaders, 2, body)
    return replicaElectionResults.map(({ partitionResult }) => {
      return partitionResult.map(({ errorCode: code }) => code)
    })
  }
  expect(await elect([{ topic: 't', partitions: [0, 1] }])).toEqual([
    [errorCode.ELECTION_NOT_NEEDED, errorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ])
  expect(await elect(null)).toEqual([])
})

test('the producers that a partition remembers are described', async () => {
  cluster = await TestCluster.start(1)
  const client = cluster.brokers[0] as TestBroker
  await createTopic(client, 't')
  const describe = async (name: string) => {
    const body = { topics: [{ name, partitionIndexes: [0] }] }
    const { topics } = await client.call(apis.describeProducers, 0, body)
    return topics[0]?.partitions[0]
  }
  expect(await describe('t')).toMatchObject({ errorCode: 0, activeProducers: [] })
  const producer = { producerId: 7, producerEpoch: 2, baseSequence: 0 }
  await produce(client, 't', 0, buildBatch([...BATCH, ...BATCH], producer))
  expect((await describe('t'))?.activeProducers).toMatchObject([
    { producerId: 7, producerEpoch: 2, lastSequence: 1, coordinatorEpoch: -1 },
  ])
  expect((await describe('u'))?.errorCode).toBe(errorCode.UNKNOWN_TOPIC_OR_PARTITION)
})
