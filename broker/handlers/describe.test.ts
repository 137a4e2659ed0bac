import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/record-batch.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

let cluster: TestCluster
let client: TestBroker

beforeAll(async () => {
  cluster = await TestCluster.start(2, { 'max.request.partition.size.limit': '4' })
  client = cluster.brokers[0] as TestBroker
  const { nodeId } = client
  await createTopic(client, 'b', [nodeId, nodeId, nodeId])
  await createTopic(client, 'a', [nodeId, nodeId])
  await createTopic(client, 'c', [nodeId])
  await createTopic(client, '__c', [nodeId])
})
afterAll(() => cluster.stop())

interface Cursor {
  readonly topicName: string
  readonly partitionIndex: number
}

async function page(names: readonly string[], limit: number, cursor: Cursor | null = null) {
  const { topics, nextCursor } = await client.call(apis.describeTopicPartitions, 0, {
    topics: names.map((name) => ({ name })),
    responsePartitionLimit: limit,
    cursor,
  })
  const found = topics.map(({ name, errorCode, partitions }) => [
    name,
    errorName(errorCode),
    partitions.map(({ partitionIndex }) => partitionIndex),
  ])
  return { found, nextCursor }
}

describe('topics and partitions, page by page', () => {
  test('all topics in the order of their names, whatever the size of a page', async () => {
    const all: string[] = []
    for (let limit = 1; limit <= 5; limit++) {
      const seen: string[] = []
      let cursor: Cursor | null = null
      do {
        const { found, nextCursor }: Awaited<ReturnType<typeof page>> = await page(
          [],
          limit,
          cursor,
        )
        const partitions = found.flatMap(([name, , indexes]) =>
          (indexes as number[]).map((index) => `${name}-${index}`),
        )
        expect(partitions.length).toBeLessThanOrEqual(Math.min(limit, 4))
        seen.push(...partitions)
        cursor = nextCursor
      } while (cursor !== null)
      all.push(seen.join(' '))
    }
    expect(new Set(all)).toEqual(new Set(['__c-0 a-0 a-1 b-0 b-1 b-2 c-0']))
  })

  test('topics that are asked for and not there are told', async () => {
    const { found, nextCursor } = await page(['c', 'nowhere', 'b d', 'a'], 4)
    expect(found).toEqual([
      ['a', 'NONE', [0, 1]],
      ['b d', 'INVALID_TOPIC_EXCEPTION', []],
      ['c', 'NONE', [0]],
      ['nowhere', 'UNKNOWN_TOPIC_OR_PARTITION', []],
    ])
    expect(nextCursor).toBe(null)
  })

  test('a cursor that is none is refused', async () => {
    const lost = await page(['a', 'c'], 4, { topicName: 'b', partitionIndex: 0 })
    expect(lost.found.map(([, error]) => error)).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
    const negative = await page(['a'], 4, { topicName: 'a', partitionIndex: -1 })
    expect(negative.found.map(([, error]) => error)).toEqual(['INVALID_REQUEST'])
    const beyond = await page(['a', 'c'], 4, { topicName: 'a', partitionIndex: 9 })
    expect(beyond.found).toEqual([
      ['a', 'NONE', []],
      ['c', 'NONE', [0]],
    ])
  })

  test('a partition has its owner for everything, and two underscores make nothing internal', async () => {
    const { topics } = await client.call(apis.describeTopicPartitions, 0, {
      topics: [{ name: '__c' }],
    })
    const { nodeId } = client
    expect(topics[0]).toMatchObject({
      isInternal: false,
      partitions: [
        { leaderId: nodeId, leaderEpoch: 0, replicaNodes: [nodeId], isrNodes: [nodeId] },
      ],
    })
  })
})

describe('the cluster', () => {
  const ask = (version: number, endpointType = 1, includeFencedBrokers = false) =>
    client.call(apis.describeCluster, version, {
      includeClusterAuthorizedOperations: true,
      endpointType,
      includeFencedBrokers,
    })

  test('its brokers, its controller, its id', async () => {
    for (let version = 0; version <= 2; version++) {
      const response = await ask(version)
      expect(response.brokers.map(({ brokerId, port }) => [brokerId, port])).toEqual(
        cluster.brokers.map(({ nodeId, broker }) => [
          nodeId,
          broker.node.image.nodes.get(nodeId)?.address.port,
        ]),
      )
      expect(response.clusterId).toBe(client.broker.node.log.clusterId)
      expect(response.controllerId).toBe(client.nodeId)
      expect(response.clusterAuthorizedOperations).toBeGreaterThan(0)
    }
  })

  test('each broker names itself as the controller; one that is leaving names one that stays', async () => {
    const told = async (broker: TestBroker): Promise<number> => {
      const asked = { topics: [], allowAutoTopicCreation: false }
      return (await broker.call(apis.metadata, 12, asked)).controllerId
    }
    const leaving = await cluster.addBroker()
    for (const each of [client, leaving]) expect(await told(each)).toBe(each.nodeId)
    const { nodeId } = leaving
    await leaving.broker.node.append(() => [{ type: 'node-draining', nodeId, draining: true }])
    expect(await told(leaving)).not.toBe(nodeId)
    await leaving.broker.node.drain(5_000)
  })

  test('there are no endpoints of controllers, or of anything else', async () => {
    expect(errorName((await ask(1, 2)).errorCode)).toBe('MISMATCHED_ENDPOINT_TYPE')
    expect(errorName((await ask(1, 3)).errorCode)).toBe('UNSUPPORTED_ENDPOINT_TYPE')
  })

  test('a broker that is gone is told only to who asks for fenced ones', async () => {
    const leaving = await cluster.addBroker()
    await createTopic(client, 'left', [leaving.nodeId])
    await produce(leaving, 'left', 0, buildBatch([{ key: null, value: null, timestamp: 1 }]))
    await leaving.broker.node.drain(5_000)
    await client.broker.node.log.catchUp()
    const living = await ask(2)
    expect(living.brokers.map(({ brokerId }) => brokerId)).not.toContain(leaving.nodeId)
    const all = await ask(2, 1, true)
    const fenced = all.brokers.filter(({ isFenced }) => isFenced).map(({ brokerId }) => brokerId)
    expect(fenced).toEqual([leaving.nodeId])
  })
})

test('the one folder of a broker holds its partitions, with their sizes in the bucket', async () => {
  const batch = buildBatch([{ key: null, value: Buffer.alloc(100), timestamp: 1 }])
  await produce(client, 'b', 1, batch)
  await produce(client, 'b', 1, batch)
  for (let version = 1; version <= 5; version++) {
    const { results } = await client.call(apis.describeLogDirs, version, {
      topics: [
        { topic: 'b', partitions: [0, 1, 9] },
        { topic: 'nowhere', partitions: [0] },
      ],
    })
    expect(results).toMatchObject([
      {
        errorCode: 0,
        topics: [
          {
            name: 'b',
            partitions: [
              { partitionIndex: 0, partitionSize: 0, offsetLag: 0, isFutureKey: false },
              { partitionIndex: 1, partitionSize: 2 * batch.length, offsetLag: 0 },
            ],
          },
        ],
      },
    ])
  }
  const { results } = await client.call(apis.describeLogDirs, 5, { topics: null })
  expect(results[0]?.topics.map(({ name }) => name).sort()).toEqual(['__c', 'a', 'b', 'c'])
})
