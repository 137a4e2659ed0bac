import { afterEach, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

let cluster: TestCluster
afterEach(() => cluster.stop())

const RECORDS = Array.from({ length: 5 }, (_, index) => {
  return { key: null, value: Buffer.from(`${index}`), timestamp: 1 }
})

async function deleteBefore(
  client: TestBroker,
  name: string,
  offset: number,
): Promise<{ lowWatermark: number; errorCode: number } | undefined> {
  const { topics } = await client.call(apis.deleteRecords, 2, {
    topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
    timeoutMs: 1000,
  })
  const [partition] = topics[0]?.partitions ?? []
  return partition && { lowWatermark: partition.lowWatermark, errorCode: partition.errorCode }
}

async function earliest(client: TestBroker, name: string): Promise<number | undefined> {
  const { topics } = await client.call(apis.listOffsets, 7, {
    replicaId: -1,
    topics: [{ name, partitions: [{ partitionIndex: 0, timestamp: -2 }] }],
  })
  return topics[0]?.partitions[0]?.offset
}

async function fetchError(client: TestBroker, topic: string, offset: number): Promise<number> {
  const { responses } = await client.call(apis.fetch, 11, {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [
      { topic, partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1000 }] },
    ],
  })
  return responses[0]?.partitions[0]?.errorCode ?? -1
}

test('deleted records are gone, also after the owner was killed', async () => {
  cluster = await TestCluster.start(2)
  const [first, second] = cluster.brokers as [TestBroker, TestBroker]
  await createTopic(first, 't', [first.nodeId])
  for (let round = 0; round < 3; round++) await produce(first, 't', 0, buildBatch(RECORDS))
  expect(await deleteBefore(first, 't', 7)).toEqual({ lowWatermark: 7, errorCode: 0 })
  expect(await earliest(first, 't')).toBe(7)
  expect(await fetchError(first, 't', 6)).toBe(errorCode.OFFSET_OUT_OF_RANGE)
  expect(await fetchError(first, 't', 7)).toBe(0)
  expect(await deleteBefore(second, 't', 8)).toEqual({
    lowWatermark: -1,
    errorCode: errorCode.NOT_LEADER_OR_FOLLOWER,
  })
  first.broker.node.abort('the test kills it')
  const atSecond = async (): Promise<number | undefined> => earliest(second, 't')
  while ((await atSecond()) === -1) await new Promise((resolve) => setImmediate(resolve))
  expect(await atSecond()).toBe(7)
  expect(await deleteBefore(second, 't', -1)).toEqual({ lowWatermark: 15, errorCode: 0 })
  expect(await fetchError(second, 't', 15)).toBe(0)
}, 30_000)

test('what cannot be deleted is refused with Kafka errors', async () => {
  cluster = await TestCluster.start(1)
  const client = cluster.brokers[0] as TestBroker
  await createTopic(client, 't')
  await produce(client, 't', 0, buildBatch(RECORDS))
  const refusal = (name: keyof typeof errorCode) => {
    return { lowWatermark: -1, errorCode: errorCode[name] }
  }
  expect(await deleteBefore(client, 't', 6)).toEqual(refusal('OFFSET_OUT_OF_RANGE'))
  expect(await deleteBefore(client, 't', -2)).toEqual(refusal('OFFSET_OUT_OF_RANGE'))
  expect(await deleteBefore(client, 'u', 1)).toEqual(refusal('UNKNOWN_TOPIC_OR_PARTITION'))
  expect(await deleteBefore(client, 't', 0)).toEqual({ lowWatermark: 0, errorCode: 0 })
  await client.call(apis.incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 2,
        resourceName: 't',
        configs: [{ name: 'cleanup.policy', configOperation: 0, value: 'compact' }],
      },
    ],
    validateOnly: false,
  })
  expect(await deleteBefore(client, 't', 1)).toEqual(refusal('POLICY_VIOLATION'))
})
