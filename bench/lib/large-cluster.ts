import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { type Random, randomUuid, seededRandom } from '../../base/random.ts'
import { succession } from '../../controller/takeover.ts'
import { MetadataLog } from '../../metadata/log.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import { memoryStore } from '../../object-store/memory.ts'
import type { ObjectStore } from '../../object-store/store.ts'

/** How large a cluster is that exists in the metadata log only. */
export interface ClusterSize {
  readonly nodes: number
  readonly topics: number
  readonly partitionsPerTopic: number
}

/** Records of one batch: what readers take, with room to spare. */
const TOPICS_PER_BATCH = 200
const OWNERSHIPS_PER_BATCH = 10_000
/** One partition in so many has moved once, and what it wrote before lies at its first owner's. */
const MOVED_ONE_IN = 10
const ROUND_SHIFT = 37

/** A metadata log on `store`, of nobody. It is not followed: whoever has it asks it to catch up. */
export function logOn(store: ObjectStore, seed: number): MetadataLog {
  const random = seededRandom(seed)
  return new MetadataLog({ store, clock: systemClock, random, logger: silentLogger })
}

function registrationOf(nodeId: number): MetadataRecord {
  const host = `10.${nodeId >> 16}.${(nodeId >> 8) & 0xff}.${nodeId & 0xff}`
  return {
    ...{ type: 'node-registered', nodeId, nonce: `nonce-of-${nodeId}`, version: '0', atMs: 1 },
    address: { host, port: 9092, internalHost: host, internalPort: 9644 },
    rack: `zone-${nodeId % 3}`,
  }
}

/** The next node to come. */
export function nextRegistration(log: MetadataLog): MetadataRecord {
  return registrationOf(log.image.scalars.nextNodeId)
}

function topicOf(size: ClusterSize, index: number, random: Random): MetadataRecord {
  const first = index * size.partitionsPerTopic
  // Once round all nodes, then round again a little further on: every node has some of each index.
  const shift = ROUND_SHIFT * Math.floor(first / size.nodes)
  const owners = Array.from(
    { length: size.partitionsPerTopic },
    (_, partition) => 1 + ((first + shift + partition) % size.nodes),
  )
  const name = `orders.region-${index % 100}.events-${index}`
  return { type: 'topic-created', topicId: randomUuid(random), name, owners, configs: {}, atMs: 1 }
}

/** One in ten partitions goes to the next node, and is checkpointed there. */
function moved(log: MetadataLog): { moves: MetadataRecord[]; checkpoints: MetadataRecord[] } {
  const moves: MetadataRecord[] = []
  const checkpoints: MetadataRecord[] = []
  for (const { topicId, partitions } of log.image.topics.values()) {
    for (let partition = 0; partition < partitions.length; partition += MOVED_ONE_IN) {
      const ownership = partitions[partition]
      if (ownership === undefined) continue
      const target = 1 + (ownership.nodeId % log.image.nodes.size)
      const record = succession({ topicId, partition, ownership }, target)
      moves.push(record)
      checkpoints.push({ ...record, from: [] } as MetadataRecord)
    }
  }
  return { moves, checkpoints }
}

async function appendAll(log: MetadataLog, records: readonly MetadataRecord[], batch: number) {
  for (let index = 0; index < records.length; index += batch) {
    await log.append(() => records.slice(index, index + batch))
  }
}

/** The metadata log of a large cluster, in memory: evenly spread, and settled. */
export async function largeCluster(
  size: ClusterSize,
): Promise<{ store: ObjectStore; log: MetadataLog }> {
  const store = memoryStore()
  const log = logOn(store, 1)
  const random = seededRandom(2)
  await log.open(() => [{ type: 'cluster', clusterId: 'c', secret: 's', createdMs: 1 }])
  const nodes = Array.from({ length: size.nodes }, (_, index) => registrationOf(index + 1))
  await log.append(() => nodes)
  const topics = Array.from({ length: size.topics }, (_, index) => topicOf(size, index, random))
  await appendAll(log, topics, TOPICS_PER_BATCH)
  const { moves, checkpoints } = moved(log)
  await appendAll(log, moves, OWNERSHIPS_PER_BATCH)
  await appendAll(log, checkpoints, OWNERSHIPS_PER_BATCH)
  return { store, log }
}
