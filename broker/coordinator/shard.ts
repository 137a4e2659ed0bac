import { assert } from '../../base/assert.ts'
import type { BufferPool } from '../../base/buffer-pool.ts'
import { type Clock, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { ImageState } from '../../metadata/image.ts'
import type { ColdReader } from '../partition/cold-reader.ts'
import type { Partition } from '../partition/partition.ts'
import type { DecodedRecord } from '../protocol/build-batch.ts'
import type { GroupMetadataValue } from '../protocol/messages/group-records.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { GroupHost } from './group-host.ts'
import { GroupLog, type LogError } from './group-log.ts'
import { decodeGroupRecord, type GroupRecord, recordBytes } from './group-records.ts'
import type { GroupSettings } from './group-settings.ts'
import { readLog } from './log-source.ts'
import { LogRewriter } from './log-rewriter.ts'
import { ZERO_UUID } from '../protocol/schema.ts'
import { OffsetStore } from './offset-store.ts'
import { endGroup, newGroup, prepareRebalance } from './rebalance.ts'
import { restoreGroup } from './restore-group.ts'

/** Tombstones that are made in masses go into batches of this many. */
const RECORDS_PER_BATCH_MAX = 1_000
/** A log that cannot be read now is read again after this long. */
const FAULT_WAIT_MS = 1_000

const noop = (): void => {}

export interface ShardOptions {
  readonly partition: Partition
  readonly coldReader: ColdReader
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly pool: BufferPool
  readonly settings: GroupSettings
  readonly deadlines: Deadlines
  readonly image: () => ImageState
  /** Runs a task when there is room: not all partitions of a node are loaded at once. */
  readonly whenRoom: (task: () => Promise<void>) => Promise<void>
  readonly onEnded: (shard: Shard) => void
}

/**
 * The groups of one partition of `__consumer_offsets`, at its owner: their state, folded from the
 * partition's log, and the way to append to it. It lives as long as the partition is open here.
 *
 * Memory changes when a record is appended, and clients see it when the record is durable. Should it
 * never become durable, this is no coordinator any more, and the next one knows no more than the log.
 */
export class Shard implements GroupHost {
  phase: 'loading' | 'active' | 'ended' = 'loading'
  readonly groups = new Map<string, ClassicGroup>()
  readonly offsets = new OffsetStore()
  readonly log: GroupLog
  readonly partition: Partition
  readonly settings: GroupSettings
  readonly clock: Clock
  readonly logger: Logger
  /** About what the groups' newest records take in the log. */
  groupBytes = 0
  /** The log has records that this release does not know: it must not be rewritten without them. */
  hasUnknownRecords = false
  private readonly options: ShardOptions
  private readonly rewriter: LogRewriter
  private waiters: (() => void)[] = []

  constructor(options: ShardOptions) {
    const { partition, pool, clock, logger } = options
    this.options = options
    this.partition = partition
    this.settings = options.settings
    this.clock = clock
    this.logger = logger.with({ offsetsPartition: partition.index })
    this.rewriter = new LogRewriter(this)
    this.log = new GroupLog({
      partition,
      pool,
      clock,
      onAppended: (record, logOffset) => this.noteAppended(record, logOffset),
      onDurable: (records) => this.noteDurable(records),
    })
    partition.watch(this.look)
    void options.whenRoom(() => this.load())
  }

  /** What is durable lies below this log offset. */
  get durableEnd(): number {
    return this.partition.highWatermark
  }

  get liveBytes(): number {
    return this.offsets.liveBytes + this.groupBytes
  }

  /** Whether it may answer for its groups now. */
  get isActive(): boolean {
    return this.phase === 'active' && this.partition.phase === 'open'
  }

  /** Calls `callback` once everything is loaded, or never will be; at once if that is so now. */
  whenLoaded(callback: () => void): void {
    if (this.phase === 'loading') this.waiters.push(callback)
    else callback()
  }

  private wake(): void {
    const { waiters } = this
    this.waiters = []
    for (const wake of waiters) wake()
  }

  /** The partition has news: it may be closing. */
  private readonly look = (): void => {
    if (this.partition.phase !== 'open') this.end()
  }

  private end(): void {
    if (this.phase === 'ended') return
    this.phase = 'ended'
    this.partition.unwatch(this.look)
    const wallMs = this.clock.wallMs()
    for (const group of this.groups.values()) endGroup(group, 'not-coordinator', wallMs)
    this.groups.clear()
    this.wake()
    this.options.onEnded(this)
  }

  private async load(): Promise<void> {
    const startMs = this.clock.nowMs()
    const { partition } = this
    const isWanted = (): boolean => this.phase === 'loading'
    const source = { partition, coldReader: this.options.coldReader }
    // Reading again from the start changes nothing: the newest record of a key wins.
    const values = new Map<string, GroupMetadataValue>()
    while (isWanted()) {
      try {
        await readLog(source, isWanted, (record) => this.replay(record, values))
        break
      } catch (error) {
        this.logger.error('the groups of a partition cannot be loaded yet', { error })
        await sleep(this.clock, FAULT_WAIT_MS)
      }
    }
    if (!isWanted()) return
    this.phase = 'active'
    this.restore(values)
    this.logger.debug('groups are loaded', {
      groups: this.groups.size,
      tookMs: Math.round(this.clock.nowMs() - startMs),
    })
    this.wake()
    this.rewriter.check()
  }

  private replay(record: DecodedRecord, values: Map<string, GroupMetadataValue>): void {
    let decoded: GroupRecord | null = null
    try {
      decoded = decodeGroupRecord(record)
    } catch (error) {
      if ((error as Error).name !== 'DecodeError') throw error
      this.logger.error('a record of groups cannot be read', { offset: record.offset, error })
    }
    if (decoded === null) this.hasUnknownRecords = true
    else if (decoded.type === 'offset') {
      const { offset: logOffset } = record
      const durableEnd = Number.POSITIVE_INFINITY
      this.offsets.put(decoded, decoded.value, { logOffset, durableEnd })
    } else if (decoded.value === null) values.delete(decoded.groupId)
    else values.set(decoded.groupId, decoded.value)
  }

  private restore(values: ReadonlyMap<string, GroupMetadataValue>): void {
    for (const [groupId, value] of values) {
      const group = restoreGroup(this, groupId, value)
      this.groups.set(groupId, group)
      this.groupBytes += recordBytes({ type: 'group', groupId, value })
      if (group.members.size > this.settings.membersMax) {
        prepareRebalance(this, group, 'the group has more members than are allowed now')
      }
    }
    // Offsets without a group are those of consumers that do not join one.
    for (const groupId of this.offsets.groupIds()) this.groupOf(groupId)
    this.forgetDeletedTopics()
  }

  /** The group of that id; made if it is not there. */
  groupOf(groupId: string): ClassicGroup {
    let group = this.groups.get(groupId)
    if (group === undefined) {
      group = newGroup(this, groupId, this.clock.wallMs())
      this.groups.set(groupId, group)
    }
    return group
  }

  forgetIfVoid(group: ClassicGroup): void {
    if (!group.isVoid || this.offsets.has(group.groupId)) return
    if (this.groups.get(group.groupId) === group) this.groups.delete(group.groupId)
    if (group.state !== 'Dead') endGroup(group, 'unknown-member', this.clock.wallMs())
  }

  deadline(expired: () => void): Deadline {
    return this.options.deadlines.create(expired)
  }

  /** In the form of a UUID, as Kafka's are. */
  uniqueId(): string {
    const hex = this.options.random.bytes(16).toString('hex')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }

  save(
    group: ClassicGroup,
    value: GroupMetadataValue,
    done: (error: LogError | null) => void,
  ): void {
    const { groupId } = group
    this.log.append([{ type: 'group', groupId, value }], done)
  }

  private noteAppended(record: GroupRecord, logOffset: number): void {
    if (record.type === 'offset') {
      this.offsets.put(record, record.value, { logOffset, durableEnd: this.durableEnd })
      return
    }
    const group = this.groups.get(record.groupId)
    const before = group?.saved ?? null
    const { groupId } = record
    if (before !== null) this.groupBytes -= recordBytes({ type: 'group', groupId, value: before })
    this.groupBytes += record.value === null ? 0 : recordBytes(record)
    if (group !== undefined) group.saved = record.value
    assert(group !== undefined || record.value === null, 'a group that is saved is there')
  }

  private noteDurable(records: readonly GroupRecord[]): void {
    for (const record of records) {
      if (record.type === 'offset') this.offsets.settle(record, this.durableEnd)
    }
    if (this.isActive) this.rewriter.check()
  }

  /** Removes the offsets of topics that are gone: of the one that was just deleted, or of any. */
  forgetDeletedTopics(): void {
    const { topics } = this.options.image()
    const records: GroupRecord[] = []
    for (const groupId of this.offsets.groupIds()) {
      for (const { topic, partition, value } of this.offsets.of(groupId, Infinity)) {
        // The image is never older than what let a commit in, so an id that it does not have was
        // deleted. Offsets that Kafka wrote may have no id: those end by their age.
        if (value.topicId === ZERO_UUID || topics.has(value.topicId)) continue
        records.push({ type: 'offset', groupId, topic, partition, value: null })
      }
    }
    this.appendAll(records)
  }

  /** Appends any number of records; `done` is told once all of them are durable. */
  appendAll(records: readonly GroupRecord[], done: (error: LogError | null) => void = noop): void {
    if (records.length === 0) {
      done(null)
      return
    }
    for (let at = 0; at < records.length; at += RECORDS_PER_BATCH_MAX) {
      const batch = records.slice(at, at + RECORDS_PER_BATCH_MAX)
      // What is appended last is durable last.
      const isLast = at + batch.length === records.length
      this.log.append(batch, isLast ? done : noop)
    }
  }
}
