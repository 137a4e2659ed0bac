import { BufferPool } from '../../../base/buffer-pool.ts'
import { silentLogger } from '../../../base/log.ts'
import { seededRandom } from '../../../base/random.ts'
import { virtualClock } from '../../../base/testing/virtual-clock.ts'
import { emptyImage, type Image } from '../../../metadata/image.ts'
import { walKey } from '../../../metadata/keys.ts'
import { memoryStore } from '../../../object-store/memory.ts'
import { ColdReader } from '../../partition/cold-reader.ts'
import {
  advanceHotState,
  decodeHotState,
  emptyHotState,
  encodeHotState,
  type HotState,
} from '../../partition/hot-state.ts'
import { Partition } from '../../partition/partition.ts'
import { TailCache } from '../../partition/tail-cache.ts'
import { type BatchMeta, LogObjectBuilder } from '../../wal/log-object.ts'
import { Deadlines } from '../deadlines.ts'
import type { GroupError } from '../group-outcomes.ts'
import type { GroupSettings } from '../group-settings.ts'
import { type CommitRequest, commitOffsets, committedOffset } from '../offset-requests.ts'
import { Shard } from '../shard.ts'
import { TEST_SETTINGS } from './group-world.ts'

const OFFSETS_ID = 'AAAAAAAAAAAAAAAAAAAAAg'
/** The topic that test commits are for, as clients name it and by its id. */
export const TOPIC = { name: 'topic', topicId: 'AAAAAAAAAAAAAAAAAAAAAw' }
const NODE_ID = 1

const SIMPLE: Omit<CommitRequest, 'groupId'> = {
  memberId: '',
  instanceId: null,
  generation: -1,
  knowsGroupNotFound: true,
}

/** One partition of the offsets topic on a store in memory: durable is what the test makes so. */
export class ShardWorld {
  readonly clock = virtualClock()
  readonly pool = new BufferPool(0)
  readonly image: Image = emptyImage()
  readonly settings: GroupSettings
  private readonly store = memoryStore()
  private readonly deadlines = new Deadlines(this.clock)
  private readonly random = seededRandom(7)
  private leaderEpoch = 0
  private seq = 0
  /** What a taker knows who finds no checkpoint: the open entry, and every run after it. */
  private replayed: HotState = emptyHotState()
  private current: { partition: Partition; shard: Shard } | null = null

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...TEST_SETTINGS, ...settings }
    this.image.topics.set(TOPIC.topicId, { ...TOPIC, configs: {}, partitions: [] })
    this.image.topicIds.set(TOPIC.name, TOPIC.topicId)
  }

  get shard(): Shard {
    if (this.current === null) throw new Error('no coordinator is there')
    return this.current.shard
  }

  get partition(): Partition {
    return this.shard.partition
  }

  /** A new owner with this state; resolves once it has loaded everything. */
  async open(state: HotState = emptyHotState()): Promise<void> {
    this.replayed = decodeHotState(encodeHotState(state))
    const partition = new Partition(
      { topicId: OFFSETS_ID, partition: 0, leaderEpoch: this.leaderEpoch++ },
      {
        nodeId: NODE_ID,
        wal: { enqueue: () => undefined },
        tailCache: new TailCache(0),
        wallMs: () => this.clock.wallMs(),
        opened: () => undefined,
        closed: () => undefined,
      },
    )
    partition.open(state)
    const { clock, pool, deadlines, random, settings } = this
    const shard = new Shard({
      partition,
      clock,
      pool,
      deadlines,
      random,
      settings,
      logger: silentLogger,
      coldReader: new ColdReader(this.store, 0),
      image: () => this.image,
      whenRoom: (task) => task(),
      onEnded: () => undefined,
    })
    this.current = { partition, shard }
    await new Promise<void>((resolve) => shard.whenLoaded(resolve))
  }

  /** Makes everything durable that was appended so far, as one log object; `meanwhile` comes later. */
  async flush(meanwhile: () => void = () => undefined): Promise<void> {
    const { partition } = this
    const seq = this.seq++
    const identity = { nodeId: NODE_ID, seq, nonce: Buffer.alloc(16) }
    const builder = new LogObjectBuilder(identity)
    const cut = partition.cut(builder, seq)
    await this.store.putIfAbsent(walKey(NODE_ID, seq), builder.finish(identity))
    meanwhile()
    const before = partition.highWatermark
    cut?.durable()
    if (partition.highWatermark > before && partition.state !== null) {
      const { runs } = partition.state
      const run = runs.at(runs.length - 1)
      advanceHotState(this.replayed, run, partition.leaderEpoch)
    }
    // Whatever waited for that is told, and may append more.
    await this.clock.advanceBy(0)
  }

  /** Flushes until nothing is under way. */
  async settle(): Promise<void> {
    do await this.flush()
    while (!this.shard.log.isSettled)
  }

  /** The partition goes to another owner, with everything that was appended. */
  async move(): Promise<void> {
    const { partition } = this
    partition.beginClose()
    await this.flush()
    const state = partition.state
    if (state === null) throw new Error('a partition that was open has a state')
    await this.open(decodeHotState(encodeHotState(state)))
  }

  /** The owner dies. The next one knows what is durable, by a late checkpoint or by the log alone. */
  async crash({ hasCheckpoint }: { hasCheckpoint: boolean }): Promise<void> {
    const { partition } = this
    const state = hasCheckpoint ? (partition.state ?? this.replayed) : this.replayed
    const bytes = encodeHotState(state)
    partition.abandon()
    await this.open(decodeHotState(bytes))
  }

  /** Commits for a consumer in no group; the error, once there is an answer. */
  commit(
    groupId: string,
    partition: number,
    offset: number,
    options: { expireTimestamp?: number; topicId?: string } = {},
  ): { error: GroupError | null | undefined } {
    const answer: { error: GroupError | null | undefined } = { error: undefined }
    const value = {
      offset,
      leaderEpoch: -1,
      metadata: `at ${offset}`,
      commitTimestamp: this.clock.wallMs(),
      expireTimestamp: options.expireTimestamp ?? -1,
      topicId: options.topicId ?? TOPIC.topicId,
    }
    const commits = [{ topic: TOPIC.name, partition, value }]
    commitOffsets(this.shard, { ...SIMPLE, groupId }, commits, (error) => {
      answer.error = error
    })
    return answer
  }

  /** What a client sees; -1: nothing. */
  read(groupId: string, partition: number): number {
    const at = { topic: TOPIC.name, topicId: TOPIC.topicId, partition }
    return committedOffset(this.shard, groupId, at)?.offset ?? -1
  }

  /** Appends a batch that is none of the coordinator's. */
  appendForeign(batch: Buffer): void {
    const frame = this.pool.take(batch.length)
    batch.copy(frame.buffer)
    const meta: Omit<BatchMeta, 'baseOffset' | 'lastOffset' | 'sizeBytes'> = {
      maxTimestampMs: 0,
      attributes: 0,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
    }
    const waiter = { appended: () => undefined }
    this.partition.append({ bytes: frame.buffer, frame, recordCount: 1, ...meta }, waiter, 0)
    frame.release()
  }
}
