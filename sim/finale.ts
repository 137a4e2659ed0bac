import { sleep } from '../base/clock.ts'
import { ColdReader } from '../broker/partition/cold-reader.ts'
import type { Partition } from '../broker/partition/partition.ts'
import { ownershipOf } from '../metadata/image.ts'
import type { Topic } from './clients/client.ts'
import { recordsOf } from './clients/consumer.ts'
import type { Producer } from './clients/producer.ts'
import type { Cluster } from './cluster.ts'
import type { History, SeenRecord } from './history.ts'
import { errorText, type SimulatedBroker } from './simulated-broker.ts'
import type { World } from './world.ts'

/** Without faults a cluster must be well again by then. */
const SETTLE_MS_MAX = 60_000
const READ_BYTES = 32 * 1024

/** The owner of a partition with the partition open and at rest, or why there is none. */
function find(cluster: Cluster, topic: Topic, index: number): Partition | string {
  let newest: SimulatedBroker | null = null
  for (const broker of cluster.serving()) {
    if ((broker.node?.log.seq ?? 0) > (newest?.node?.log.seq ?? 0)) newest = broker
  }
  if (newest === null || newest.node === null) return 'no broker serves'
  const ownership = ownershipOf(newest.node.image, topic.topicId, index)
  if (ownership === undefined) return 'there is no such partition'
  const broker = cluster.serving().find(({ node }) => node?.nodeId === ownership.nodeId)
  if (!broker?.node) return `its owner, node ${ownership.nodeId}, does not live`
  const partition = broker.node.partitions.get(topic.topicId, index)
  const where = `${broker.process.name}, node ${ownership.nodeId}`
  if (partition === undefined) return `${where} does not know it`
  if (partition.leaderEpoch !== ownership.leaderEpoch) return `${where} has an older epoch`
  if (partition.phase !== 'open') return `it is ${partition.phase} at ${where}`
  if (partition.nextOffset !== partition.highWatermark || !partition.openDurable) {
    return `${where} has not made everything durable`
  }
  return partition
}

/**
 * Waits until every partition is open at its owner and every producer has its answers. Brokers that
 * end meanwhile, because they were drained or fenced, are replaced.
 */
export async function whenSettled(
  world: World,
  cluster: Cluster,
  topic: Topic,
  wanted: { brokerCount: number; producers: readonly Producer[] },
): Promise<void> {
  const { brokerCount, producers } = wanted
  const endMs = world.clock.nowMs() + SETTLE_MS_MAX
  for (;;) {
    await sleep(world.clock, 200)
    if (world.violation !== null) return
    while (cluster.alive().length < brokerCount) cluster.startBroker()
    const waits: string[] = []
    for (let index = 0; index < topic.partitionCount; index++) {
      const found = find(cluster, topic, index)
      if (typeof found === 'string') waits.push(`p${index}: ${found}`)
    }
    const pending = producers.reduce((sum, { pendingCount }) => sum + pendingCount, 0)
    if (pending > 0) waits.push(`${pending} batches are not acknowledged`)
    if (waits.length === 0) return
    if (world.clock.nowMs() < endMs) continue
    world.fail('a cluster without faults gets well', waits.join('; '))
    return
  }
}

async function findSoon(
  world: World,
  cluster: Cluster,
  topic: Topic,
  index: number,
): Promise<Partition | null> {
  const endMs = world.clock.nowMs() + SETTLE_MS_MAX
  for (;;) {
    const found = find(cluster, topic, index)
    if (typeof found !== 'string') return found
    if (world.clock.nowMs() >= endMs) {
      world.fail('a cluster without faults stays well', `p${index}: ${found}`)
      return null
    }
    await sleep(world.clock, 100)
  }
}

/** Reads every partition from the bucket, whole, and checks it against all that clients know. */
export async function readEverything(
  world: World,
  cluster: Cluster,
  history: History,
  topic: Topic,
): Promise<void> {
  for (let index = 0; index < topic.partitionCount; index++) {
    if (world.violation !== null) return
    // It may move just now, to even the load out.
    const found = await findSoon(world, cluster, topic, index)
    if (found === null) return
    const { highWatermark, state } = found
    const reader = new ColdReader(cluster.store.truth, READ_BYTES)
    const records: SeenRecord[] = []
    try {
      for (let offset = 0; offset < highWatermark && state; ) {
        const pieces = await reader.read(state.runs, offset, READ_BYTES)
        for (const record of recordsOf(pieces)) if (record.offset >= offset) records.push(record)
        offset = (records.at(-1)?.offset ?? highWatermark) + 1
      }
    } catch (error) {
      world.fail('everything below the high watermark can be read', errorText(error))
      return
    }
    world.trace.line('run', `p${index} ends at ${highWatermark}`)
    history.finish(`p${index}`, records, highWatermark)
  }
}
