import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { apis } from '../broker/protocol/api-keys.ts'
import { errorCode } from '../broker/protocol/error-codes.ts'
import { fetchBody, produceBody } from './lib/api-bodies.ts'
import { EXIT_DRAINED } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { FETCH_MS_MAX, fetchKafkaTools, kafkaTool, VerifiableProducer } from './lib/kafka-tools.ts'
import { KcatLoad, readTopic } from './lib/kcat.ts'
import { Load } from './lib/load.ts'
import { batchOf } from './lib/produce.ts'
import { until } from './lib/wait.ts'
import { ask, leadersOf, metadataOf } from './lib/wire-client.ts'

const PARTITIONS = 12
const ALL = Array.from({ length: PARTITIONS }, (_, index) => index)
const TEST_MS_MAX = 180_000

beforeAll(fetchKafkaTools, FETCH_MS_MAX)

let cluster: Cluster
const loads: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(loads.splice(0).map((load) => load.close()))
  await cluster.close()
})

function closing<T extends { close(): Promise<void> }>(load: T): T {
  loads.push(load)
  return load
}

/** Moves partitions with the tool that Kafka's people use, and waits until it says that it is done. */
async function reassign(topic: string, targets: ReadonlyMap<number, number>): Promise<void> {
  const file = join(cluster.folder, 'reassignment.json')
  const partitions = [...targets].map(([partition, nodeId]) => {
    return { topic, partition, replicas: [nodeId] }
  })
  writeFileSync(file, JSON.stringify({ version: 1, partitions }))
  const common = [
    '--bootstrap-server',
    cluster.bootstrap.join(','),
    '--reassignment-json-file',
    file,
  ]
  const tool = 'reassign.ReassignPartitionsCommand'
  await kafkaTool(tool, [...common, '--execute'])
  await until('the tool says that all is done', async () => {
    const said = await kafkaTool(tool, [...common, '--verify', '--preserve-throttles'])
    return !said.includes('still in progress')
  })
}

async function leaderOf(topic: string, partition: number): Promise<number> {
  const { topics } = await metadataOf(cluster.running[0]?.ports.kafka ?? 0, topic)
  return topics[0]?.partitions[partition]?.leaderId ?? -1
}

describe('partitions move under load, and nothing is lost, doubled, or refused for good', () => {
  test(
    'when brokers come, when a person says so, and when brokers go',
    async () => {
      cluster = await Cluster.start(2)
      for (const topic of ['node', 'java', 'c']) await cluster.createTopic(topic, PARTITIONS)
      const bootstrap = [...cluster.bootstrap]
      const node = closing(new Load({ bootstrap, topic: 'node', partitions: ALL }))
      const java = closing(
        new VerifiableProducer({ bootstrap, topic: 'java', recordsPerSecond: 500 }),
      )
      const c = closing(new KcatLoad({ name: 'line', bootstrap, topic: 'c' }))
      const progress = () => Promise.all([node.progress(20), java.progress(200)])
      await progress()

      const third = await cluster.startBroker()
      for (const broker of cluster.running) {
        await until(`broker ${broker.nodeId} knows the third's share`, async () => {
          const { brokers } = await metadataOf(broker.ports.kafka, null)
          // Which of the topics it has partitions of is the balancer's business.
          const shares = ['node', 'java', 'c'].map((topic) => leadersOf(broker.ports.kafka, topic))
          const all = await Promise.all(shares)
          const isThere = all.some((leaders) => (leaders.get(third.nodeId)?.length ?? 0) > 0)
          return brokers.length === 3 && isThere
        })
      }
      await until('the third has its share', async () => (await third.load()).partitions >= 11)
      await progress()

      // One each way, so that the balancer has no reason to undo it.
      const [first = third, second = third] = cluster.running
      const leaders = await leadersOf(first.ports.kafka, 'node')
      const there = leaders.get(first.nodeId)?.[0] ?? -1
      const back = leaders.get(second.nodeId)?.[0] ?? -1
      await reassign(
        'node',
        new Map([
          [there, second.nodeId],
          [back, first.nodeId],
        ]),
      )
      expect(await leaderOf('node', there)).toBe(second.nodeId)
      expect(await leaderOf('node', back)).toBe(first.nodeId)
      await progress()

      // The one that was the controller from the beginning.
      expect(await first.terminate()).toEqual({ code: EXIT_DRAINED, signal: null })
      expect(first.logged('drained and sealed')).toMatchObject({ left: 0 })
      await progress()
      await Promise.all([node.finish(), java.finish()])
      expect(await c.finish()).toMatchObject({ code: 0 })

      expect(node.failures).toEqual([])
      expect(java.failures).toEqual([])
      const here = cluster.running.map((broker) => broker.bootstrap)
      expect(node.acknowledged.faultsOf(await readTopic(here, 'node'))).toEqual([])
      expect(java.acknowledged.faultsOf(await readTopic(here, 'java'))).toEqual([])
      expect(c.faultsOf(await readTopic(here, 'c'))).toEqual([])
    },
    TEST_MS_MAX,
  )
})

describe('the old owner of a partition', () => {
  test('says who the new one is, and where (KIP-951)', async () => {
    cluster = await Cluster.start(2)
    const [one, two] = cluster.running
    if (one === undefined || two === undefined) throw new Error('there are two brokers')
    await cluster.createTopic('kip951', 4)
    const [partition = -1] = (await leadersOf(one.ports.kafka, 'kip951')).get(one.nodeId) ?? []
    const produce = (port: number, value: string) => {
      const body = produceBody('kip951', new Map([[partition, batchOf(value)]]))
      return ask(port, apis.produce, 12, body)
    }
    await produce(one.ports.kafka, 'before')
    const { responses } = await ask(one.ports.kafka, apis.alterPartitionReassignments, 0, {
      timeoutMs: 10_000,
      topics: [
        { name: 'kip951', partitions: [{ partitionIndex: partition, replicas: [two.nodeId] }] },
      ],
    })
    expect(responses[0]?.partitions[0]?.errorCode).toBe(errorCode.NONE)

    const newLeader = { leaderId: two.nodeId, leaderEpoch: 1 }
    const endpoint = { nodeId: two.nodeId, host: '127.0.0.1', port: two.ports.kafka, rack: null }
    const refused = await produce(one.ports.kafka, 'too late')
    expect(refused.responses[0]?.partitionResponses[0]).toMatchObject({
      errorCode: errorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: newLeader,
    })
    expect(refused.nodeEndpoints).toEqual([endpoint])

    const { topics } = await metadataOf(one.ports.kafka, 'kip951')
    const wanted = fetchBody(topics[0]?.topicId ?? '', [{ partition, fetchOffset: 0 }])
    const unread = await ask(one.ports.kafka, apis.fetch, 16, wanted)
    expect(unread.responses[0]?.partitions[0]).toMatchObject({
      errorCode: errorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: newLeader,
    })
    expect(unread.nodeEndpoints).toEqual([endpoint])

    const taken = await produce(two.ports.kafka, 'after')
    expect(taken.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 1 })
    const values = (await readTopic(cluster.bootstrap, 'kip951')).map(({ value }) => value)
    expect(values).toEqual(['before', 'after'])
  })
})
