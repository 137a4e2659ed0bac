import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { NodeListener } from '../../metadata/records.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { createTopic, TestCluster, type TestBroker } from '../testing/harness.ts'

const BOTH = 'internal'
const FIRST_ONLY = 'external'

function listener(name: string, port: number, security: NodeListener['security']): NodeListener {
  return { name, host: `${name}.example`, port, security }
}

let cluster: TestCluster
let first: TestBroker
let second: TestBroker
beforeAll(async () => {
  cluster = new TestCluster()
  first = await cluster.addBroker(
    {},
    {},
    {
      rack: 'a',
      listeners: [listener(BOTH, 1, 'plaintext'), listener(FIRST_ONLY, 2, 'tls')],
    },
  )
  second = await cluster.addBroker(
    {},
    {},
    {
      rack: 'b',
      listeners: [listener(BOTH, 3, 'plaintext')],
    },
  )
  await createTopic(first, 't', [first.nodeId, second.nodeId])
  // As in Kafka, the other broker hears of it a little later.
  await second.broker.node.log.catchUp()
})
afterAll(() => cluster.stop())

/** By node id: what a client of that listener is told by the first broker. */
async function metadata(version: number, name: string) {
  const body = { topics: [{ name: 't' }], allowAutoTopicCreation: false }
  return first.call(apis.metadata, version, body, name)
}

describe('a client hears of the listener that it came to', () => {
  test('in metadata, with racks', async () => {
    const { brokers, topics, controllerId } = await metadata(12, BOTH)
    expect(brokers).toEqual([
      { nodeId: first.nodeId, host: 'internal.example', port: 1, rack: 'a' },
      { nodeId: second.nodeId, host: 'internal.example', port: 3, rack: 'b' },
    ])
    expect(topics[0]?.partitions.map(({ leaderId }) => leaderId)).toEqual([
      first.nodeId,
      second.nodeId,
    ])
    expect(brokers.map(({ nodeId }) => nodeId)).toContain(controllerId)
  })

  test.each([
    [5, errorCode.LEADER_NOT_AVAILABLE],
    [6, errorCode.LISTENER_NOT_FOUND],
    [13, errorCode.LISTENER_NOT_FOUND],
  ])(
    'in metadata v%i a broker without it is left out, and so are leaders there',
    async (version, code) => {
      const { brokers, topics, controllerId } = await metadata(version, FIRST_ONLY)
      expect(brokers.map(({ host, port }) => [host, port])).toEqual([['external.example', 2]])
      expect(controllerId).toBe(first.nodeId)
      expect(topics[0]?.errorCode).toBe(0)
      const [here, there] = topics[0]?.partitions ?? []
      expect(here).toMatchObject({ errorCode: 0, leaderId: first.nodeId, offlineReplicas: [] })
      expect(there).toMatchObject({
        errorCode: code,
        leaderId: -1,
        replicaNodes: [second.nodeId],
        offlineReplicas: [second.nodeId],
      })
    },
  )

  test('in the pages of described topics', async () => {
    const body = { topics: [{ name: 't' }], responsePartitionLimit: 10, cursor: null }
    const { topics } = await first.call(apis.describeTopicPartitions, 0, body, FIRST_ONLY)
    expect(topics[0]?.partitions.map(({ errorCode: code, leaderId }) => [code, leaderId])).toEqual([
      [0, first.nodeId],
      [errorCode.LISTENER_NOT_FOUND, -1],
    ])
  })

  test('in the described cluster', async () => {
    const ports = async (name: string): Promise<number[]> => {
      const body = { includeClusterAuthorizedOperations: false }
      const { brokers } = await second.call(apis.describeCluster, 1, body, name)
      return brokers.map(({ port }) => port)
    }
    expect(await ports(BOTH)).toEqual([1, 3])
    expect(await ports(FIRST_ONLY)).toEqual([2])
  })

  test('of coordinators; one that has no such listener is not there', async () => {
    const find = async (key: string, name: string) => {
      const body = { keyType: 0, coordinatorKeys: [key] }
      const { coordinators } = await first.call(apis.findCoordinator, 4, body, name)
      return coordinators?.[0]
    }
    const seen = new Set<number>()
    for (let at = 0; seen.size < 2 && at < 100; at++) {
      const known = await find(`group-${at}`, BOTH)
      seen.add(known?.nodeId ?? -1)
      const isFirst = known?.nodeId === first.nodeId
      expect(known).toMatchObject({ host: 'internal.example', port: isFirst ? 1 : 3 })
      expect(await find(`group-${at}`, FIRST_ONLY)).toMatchObject(
        isFirst
          ? { errorCode: 0, host: 'external.example', port: 2 }
          : { errorCode: errorCode.COORDINATOR_NOT_AVAILABLE, port: -1 },
      )
    }
    expect(seen).toEqual(new Set([first.nodeId, second.nodeId]))
  })

  test('in the hints that come with errors of leadership', async () => {
    const { topics } = await metadata(12, BOTH)
    const topicId = topics[0]?.topicId as string
    const fetch = async (client: TestBroker, partition: number, name: string) => {
      const body = {
        ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 1, sessionEpoch: -1, rackId: 'b' },
        topics: [{ topicId, partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1 }] }],
        forgottenTopicsData: [],
      }
      return client.call(apis.fetch, 16, body, name)
    }
    const { nodeId } = first
    expect((await fetch(second, 0, FIRST_ONLY)).nodeEndpoints).toEqual([
      { nodeId, host: 'external.example', port: 2, rack: 'a' },
    ])
    expect((await fetch(second, 0, BOTH)).nodeEndpoints).toMatchObject([{ port: 1 }])
    const hidden = await fetch(first, 1, FIRST_ONLY)
    expect(hidden.nodeEndpoints).toEqual([])
    expect(hidden.responses[0]?.partitions[0]?.errorCode).toBe(errorCode.NOT_LEADER_OR_FOLLOWER)
    // There is one replica: a consumer's rack makes none preferred.
    const read = await fetch(first, 0, BOTH)
    expect(read.responses[0]?.partitions[0]).toMatchObject({
      errorCode: 0,
      preferredReadReplica: -1,
    })
  })

  test("in the broker's configs, as Kafka names them", async () => {
    const { results } = await first.call(apis.describeConfigs, 4, {
      resources: [{ resourceType: 4, resourceName: String(first.nodeId), configurationKeys: null }],
    })
    const value = (name: string) => results[0]?.configs.find((each) => each.name === name)?.value
    expect(value('advertised.listeners')).toBe(
      'INTERNAL://internal.example:1,EXTERNAL://external.example:2',
    )
    expect(value('listener.security.protocol.map')).toBe('INTERNAL:PLAINTEXT,EXTERNAL:SSL')
    expect(value('broker.rack')).toBe('a')
  })
})
