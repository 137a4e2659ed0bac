import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Partition } from '../partition/partition.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { GroupLog } from './group-log.ts'
import { type GroupRecord, recordBytes } from './group-records.ts'
import type { OffsetStore } from './offset-store.ts'

/** What reading one more run costs, in bytes that could be read instead: loading is mostly waiting. */
const RUN_COST_BYTES = 32 * 1024
/** Logs that are cheaper to load than this are left alone. */
const LOAD_COST_BYTES_MIN = 256 * RUN_COST_BYTES
/** How many runs more there must be before it is looked at again. */
const RUNS_BETWEEN_LOOKS = 16
/** Appended in one turn of the event loop. */
const CHUNK_BYTES = 256 * 1024

/** The groups whose log is rewritten: see Shard. */
export interface RewrittenGroups {
  readonly partition: Partition
  readonly groups: ReadonlyMap<string, ClassicGroup>
  readonly offsets: OffsetStore
  readonly log: GroupLog
  readonly clock: Clock
  readonly logger: Logger
  readonly liveBytes: number
  readonly hasUnknownRecords: boolean
  readonly isActive: boolean
}

/**
 * Keeps the log short that the next coordinator has to read. When loading it would cost several
 * times what its live records are worth, they are appended anew, all of them, and once that is
 * durable the log begins there.
 *
 * A record that changes meanwhile is written again behind its copy, one that is deleted gets its
 * tombstone there: whatever is read from the new start on says the same as all of the log.
 */
export class LogRewriter {
  private readonly shard: RewrittenGroups
  private isRunning = false
  private nextLookRuns = 0

  constructor(shard: RewrittenGroups) {
    this.shard = shard
  }

  /** Looks whether it is time. Called often. */
  check(): void {
    const { shard } = this
    const runs = shard.partition.state?.runs
    if (this.isRunning || runs === undefined || runs.length < this.nextLookRuns) return
    this.nextLookRuns = runs.length + RUNS_BETWEEN_LOOKS
    const costBytes = runs.sizeBytes + runs.length * RUN_COST_BYTES
    if (costBytes < LOAD_COST_BYTES_MIN + 2 * shard.liveBytes) return
    if (shard.hasUnknownRecords || !shard.isActive) return
    this.isRunning = true
    const startOffset = shard.partition.nextOffset
    this.appendNext(this.liveRecords(), startOffset)
  }

  private *liveRecords(): Iterator<GroupRecord> {
    const { groups, offsets } = this.shard
    for (const group of [...groups.values()]) {
      const { groupId, saved: value } = group
      if (value !== null && group.state !== 'Dead') yield { type: 'group', groupId, value }
    }
    for (const groupId of [...offsets.groupIds()]) {
      for (const entry of [...offsets.of(groupId, Number.POSITIVE_INFINITY)]) {
        // It may have been replaced since the list was made, and then its own record is behind us.
        const newest = offsets.get(groupId, entry.topic, entry.partition, Infinity)
        if (newest === entry.value) yield { type: 'offset', ...entry }
      }
    }
  }

  private appendNext(records: Iterator<GroupRecord>, startOffset: number): void {
    const { shard } = this
    const chunk: GroupRecord[] = []
    let bytes = 0
    let next = records.next()
    for (; !next.done; next = records.next()) {
      chunk.push(next.value)
      bytes += recordBytes(next.value)
      if (bytes >= CHUNK_BYTES) break
    }
    const isLast = next.done === true
    const appended = (error: unknown): void => {
      if (error !== null) this.isRunning = false
      else if (isLast) this.finish(startOffset)
    }
    if (chunk.length > 0) shard.log.append(chunk, appended)
    else if (shard.log.isSettled) appended(null)
    // Nothing lives, and the last tombstones are under way: the next look comes with them.
    else this.isRunning = false
    if (!isLast && this.isRunning) {
      shard.clock.after(0, () => this.appendNext(records, startOffset))
    }
  }

  private finish(startOffset: number): void {
    this.isRunning = false
    const { partition, logger } = this.shard
    if (partition.phase !== 'open') return
    const runsBefore = partition.state?.runs.length ?? 0
    partition.advanceLogStart(startOffset)
    const runs = partition.state?.runs.length ?? 0
    this.nextLookRuns = runs + RUNS_BETWEEN_LOOKS
    logger.info('the log of groups was rewritten', { startOffset, runsBefore, runs })
  }
}
