import { sleep } from '../base/clock.ts'
import { ColdReader } from '../broker/partition/cold-reader.ts'
import type { Partition } from '../broker/partition/partition.ts'
import { ownershipOf } from '../metadata/image.ts'
import type { Topic } from './clients/client.ts'
import { recordsOf } from './clients/consumer.ts'
import type { Producer } from './clients/producer.ts'
import type { Cluster } from './cluster.ts'
import type { History, SeenRecord } from './history.ts'
import { errorText } from './simulated-broker.ts'
import type { World } from './world.ts'

/** Without faults a cluster must be well again by then; it takes about a tenth of that. */
const SETTLE_MS_MAX = 15_000
const READ_BYTES = 32 * 1024

/** The owner of a partition with the partition open and at rest, or why there is none. */
function find(cluster: Cluster, topicId: string, index: number): Partition | string {
  const newest = cluster.newestNode(cluster.serving())
  if (newest === null) return 'no broker serves'
  const ownership = ownershipOf(newest.image, topicId, index)
  if (ownership === undefined) return 'there is no such partition'
  const broker = cluster.serving().find(({ node }) => node?.nodeId === ownership.nodeId)
  if (!broker?.node) return `its owner, node ${ownership.nodeId}, does not live`
  const partition = broker.node.partitions.get(topicId, index)
  const where = `${broker.process.name}, node ${ownership.nodeId}`
  if (partition === undefined) return `${where} does not know it`
  if (partition.leaderEpoch !== ownership.leaderEpoch) return `${where} has an older epoch`
  if (partition.phase !== 'open') return `it is ${partition.phase} at ${where}`
  if (partition.nextOffset !== partition.highWatermark || !partition.openDurable) {
    return `${where} has not made everything durable`
  }
  return partition
}

/** Every partition of every topic that is not open and at rest, with the reason. */
function findWaits(cluster: Cluster, topic: Topic): string[] {
  const waits: string[] = []
  const topics = cluster.newestNode(cluster.serving())?.image.topics
  if (!topics?.has(topic.topicId)) return ['no broker knows the topic']
  for (const { name, topicId, partitions } of topics.values()) {
    for (const index of partitions.keys()) {
      const found = find(cluster, topicId, index)
      if (typeof found === 'string') waits.push(`${name}/${index}: ${found}`)
    }
  }
  return waits
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
  const startMs = world.clock.nowMs()
  for (;;) {
    await sleep(world.clock, 200)
    if (world.violation !== null) return
    while (cluster.alive().length < brokerCount) cluster.startBroker()
    const waits = findWaits(cluster, topic)
    const pending = producers.reduce((sum, { pendingCount }) => sum + pendingCount, 0)
    if (pending > 0) waits.push(`${pending} batches are not acknowledged`)
    const settledMs = world.clock.nowMs() - startMs
    if (waits.length === 0) world.trace.line('run', `settled within ${settledMs} ms`)
    if (waits.length === 0) return
    if (settledMs < SETTLE_MS_MAX) continue
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
    const found = find(cluster, topic.topicId, index)
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

/** Ends all brokers, which are at rest, and checks that every request's memory was given back. */
export async function checkMemory(world: World, cluster: Cluster): Promise<void> {
  // Fetches of consumers that have stopped wait a little for more.
  await sleep(world.clock, 2_000)
  for (const { node, pool, process } of cluster.serving()) {
    if (node === null || node.wal.backlogBytes > 0) continue
    node.abort('the end of the run')
    if (pool.bytesInUse === 0) continue
    world.fail('memory is given back', `${process.name} still has ${pool.bytesInUse} bytes in use`)
  }
}
