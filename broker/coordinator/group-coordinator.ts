import type { BufferPool } from '../../base/buffer-pool.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { Touched } from '../../metadata/draft.ts'
import type { Image } from '../../metadata/image.ts'
import { Limiter } from '../limiter.ts'
import type { ColdReader } from '../partition/cold-reader.ts'
import type { Partition } from '../partition/partition.ts'
import { Deadlines } from './deadlines.ts'
import type { GroupSettings } from './group-settings.ts'
import { expireOffsets } from './offset-expiry.ts'
import { Shard } from './shard.ts'

/** The topic that holds what coordinators know. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/** Partitions of it that are loaded at the same time, each with many reads at once. */
const LOADS_MAX = 8
/** Topics that are deleted one by one are looked at together. */
const DELETED_TOPICS_WAIT_MS = 200

/** What the coordinator needs of its node. */
interface CoordinatorNode {
  readonly image: Image
  readonly hasEnded: boolean
  readonly coldReader: ColdReader
  readonly partitions: { onOpen(listener: (partition: Partition) => void): void }
  readonly log: {
    onApplied(listener: (delta: { readonly touched: Touched | 'all' }) => void): unknown
  }
}

export interface GroupCoordinatorOptions {
  readonly node: CoordinatorNode
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly pool: BufferPool
  readonly settings: GroupSettings
}

/**
 * The index of the offsets partition that a group belongs to: Kafka's own formula, over Java's hash
 * of the string.
 */
export function offsetsPartitionOf(groupId: string, partitionCount: number): number {
  let hash = 0
  for (let at = 0; at < groupId.length; at++) {
    hash = (Math.imul(hash, 31) + groupId.charCodeAt(at)) | 0
  }
  // The lowest int32 has no absolute value in Java, which Kafka takes for zero.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionCount
}

/** The groups that this node coordinates: one shard per partition of the offsets topic it owns. */
export class GroupCoordinator {
  private readonly options: GroupCoordinatorOptions
  private readonly shards = new Map<Partition, Shard>()
  private readonly deadlines: Deadlines
  private readonly loads = new Limiter(LOADS_MAX)
  private expiryTimer: Timer | null = null
  private deletionTimer: Timer | null = null

  constructor(options: GroupCoordinatorOptions) {
    this.options = options
    this.deadlines = new Deadlines(options.clock)
    const { node } = options
    node.partitions.onOpen((partition) => this.opened(partition))
    node.log.onApplied(({ touched }) => this.imageChanged(touched))
  }

  get settings(): GroupSettings {
    return this.options.settings
  }

  /** The groups of a partition that is open here, loaded or not. */
  shardOf(partition: Partition): Shard | undefined {
    return this.shards.get(partition)
  }

  all(): Iterable<Shard> {
    return this.shards.values()
  }

  private opened(partition: Partition): void {
    const { node, clock, random, logger, pool, settings } = this.options
    const topic = node.image.topics.get(partition.topicId)
    if (topic?.name !== OFFSETS_TOPIC || partition.phase !== 'open') return
    const shard = new Shard({
      partition,
      coldReader: node.coldReader,
      clock,
      random,
      logger,
      pool,
      settings,
      deadlines: this.deadlines,
      image: () => node.image,
      whenRoom: (task) => this.loads.run(task),
      onEnded: () => this.ended(partition),
    })
    this.shards.set(partition, shard)
    this.expiryTimer ??= clock.after(settings.retentionCheckMs, this.expire)
  }

  private ended(partition: Partition): void {
    this.shards.delete(partition)
    if (this.shards.size > 0) return
    this.expiryTimer?.cancel()
    this.expiryTimer = null
    this.deletionTimer?.cancel()
    this.deletionTimer = null
  }

  private readonly expire = (): void => {
    this.expiryTimer = null
    const { node, clock, settings } = this.options
    if (this.shards.size === 0 || node.hasEnded) return
    for (const shard of this.shards.values()) expireOffsets(shard)
    this.expiryTimer = clock.after(settings.retentionCheckMs, this.expire)
  }

  private imageChanged(touched: Touched | 'all'): void {
    const { node, clock } = this.options
    if (this.shards.size === 0 || this.deletionTimer !== null) return
    if (touched !== 'all') {
      const { topics } = node.image
      if ([...touched.topics].every((topicId) => topics.has(topicId))) return
    }
    this.deletionTimer = clock.after(DELETED_TOPICS_WAIT_MS, () => {
      this.deletionTimer = null
      for (const shard of this.shards.values()) if (shard.isActive) shard.forgetDeletedTopics()
    })
  }
}
