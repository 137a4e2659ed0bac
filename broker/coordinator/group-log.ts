import type { BufferPool } from '../../base/buffer-pool.ts'
import type { Clock } from '../../base/clock.ts'
import type { AppendResult, AppendWaiter, Partition } from '../partition/partition.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { encodeGroupRecord, type GroupRecord } from './group-records.ts'

/** A larger batch is refused: a group this large would make every rebalance a burden for all. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024

export type LogError = 'not-coordinator' | 'too-large'

interface Pending {
  readonly records: readonly GroupRecord[]
  readonly done: (error: LogError | null) => void
}

export interface GroupLogOptions {
  readonly partition: Partition
  readonly pool: BufferPool
  readonly clock: Clock
  /** A record has its place in the log: told in the order of the log, before it is durable. */
  readonly onAppended: (record: GroupRecord, logOffset: number) => void
  /** Records are durable. */
  readonly onDurable: (records: readonly GroupRecord[]) => void
}

/** Appends records to one partition of `__consumer_offsets`, as ordinary batches. */
export class GroupLog implements AppendWaiter {
  /** Bytes appended since this began, durable or not. */
  appendedBytes = 0
  private readonly options: GroupLogOptions
  private readonly pending = new Map<number, Pending>()
  private nextIndex = 0

  constructor(options: GroupLogOptions) {
    this.options = options
  }

  /** Whether everything that was appended is durable. */
  get isSettled(): boolean {
    return this.pending.size === 0
  }

  /**
   * Appends the records as one batch; `done` is told once they are durable, or why they never will
   * be, which may be at once.
   */
  append(records: readonly GroupRecord[], done: (error: LogError | null) => void): void {
    const { partition, pool, clock } = this.options
    if (partition.phase !== 'open') {
      done('not-coordinator')
      return
    }
    const timestamp = clock.wallMs()
    const batch = buildBatch(records.map((record) => ({ ...encodeGroupRecord(record), timestamp })))
    if (batch.length > BATCH_BYTES_MAX) {
      done('too-large')
      return
    }
    const frame = pool.take(batch.length)
    batch.copy(frame.buffer)
    const baseOffset = partition.nextOffset
    const index = this.nextIndex++
    this.pending.set(index, { records, done })
    this.appendedBytes += batch.length
    partition.append(
      {
        bytes: frame.buffer,
        frame,
        recordCount: records.length,
        maxTimestampMs: timestamp,
        attributes: 0,
        producerId: -1,
        producerEpoch: -1,
        baseSequence: -1,
      },
      this,
      index,
    )
    frame.release()
    for (const [at, record] of records.entries()) this.options.onAppended(record, baseOffset + at)
  }

  /** Told by the partition, in the order of the appends. */
  appended(index: number, result: AppendResult): void {
    const pending = this.pending.get(index)
    if (pending === undefined) return
    this.pending.delete(index)
    if (result.error === null) this.options.onDurable(pending.records)
    pending.done(result.error === null ? null : 'not-coordinator')
  }
}
