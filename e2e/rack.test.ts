import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from '@jest/globals'
import { Cluster } from './lib/cluster.ts'
import { FETCH_MS_MAX, fetchKafkaTools } from './lib/kafka-tools.ts'
import { VerifiableConsumer } from './lib/verifiable-consumer.ts'
import { until } from './lib/wait.ts'
import { leadersOf } from './lib/wire-client.ts'

const PARTITIONS = 8
const RACKS = ['zone-a', 'zone-b'] as const

let cluster: Cluster
const consumers: VerifiableConsumer[] = []

beforeAll(fetchKafkaTools, FETCH_MS_MAX)
afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.close()))
  await cluster.close()
})

function consume(rack: string): VerifiableConsumer {
  const configFile = join(cluster.folder, `${rack}.properties`)
  writeFileSync(configFile, `client.rack=${rack}\n`)
  const consumer = new VerifiableConsumer({
    bootstrap: cluster.bootstrap,
    topic: 'topic',
    groupId: 'by-rack',
    assignor: 'CooperativeStickyAssignor',
    configFile,
  })
  consumers.push(consumer)
  return consumer
}

// KIP-881: assignors of clients look at the racks of a partition's replicas, of which there is one
// here: the owner. What a consumer reads then never leaves its zone.
test('a group of Java consumers with client.rack reads each partition in the zone of its owner', async () => {
  cluster = await Cluster.start(1, { env: { STREAMCLUSTER_RACK: RACKS[0] } })
  await cluster.startBroker(undefined, { STREAMCLUSTER_RACK: RACKS[1] })
  const ports = cluster.running[0]?.ports.kafka ?? 0
  await cluster.createTopic('topic', PARTITIONS)
  const owned = await until('both brokers own half of the partitions', async () => {
    const leaders = await leadersOf(ports, 'topic')
    const lists = cluster.running.map(({ nodeId }) => leaders.get(nodeId) ?? [])
    return lists.every(({ length }) => length === PARTITIONS / 2) ? lists : null
  })
  const group = RACKS.map(consume)
  const assigned = (): number[][] => group.map((each) => [...each.assigned].sort())
  await until('everything is assigned', () => assigned().flat().length === PARTITIONS, 60_000)
  await until('the assignment is by rack', () => String(assigned()) === String(owned), 60_000)
  expect(assigned()).toEqual(owned)
}, 180_000)
