import { assert, present } from '../../base/assert.ts'
import type { SharedBytes } from '../../base/buffer-pool.ts'
import { setBaseOffset, setLeaderEpoch } from '../protocol/record-batch.ts'
import type { BatchMeta, LogObjectBuilder } from '../wal/log-object.ts'
import type { WalCut, WalSource, WalWriter } from '../wal/writer.ts'
import { advanceHotState, advanceLogStart, encodeHotState, type HotState } from './hot-state.ts'
import { type LogStartWaiter, LogStartWishes } from './log-start-wishes.ts'
import { type Run, runOf } from './run-table.ts'
import { CachedRuns, type TailCache } from './tail-cache.ts'

/** What a partition does now. A closed one is never used again: a new epoch is a new object. */
export type Phase = 'opening' | 'open' | 'closing' | 'closed'

export type AppendError = 'not-leader' | 'out-of-order-sequence' | 'stale-producer-epoch'

export interface AppendResult {
  readonly error: AppendError | null
  readonly baseOffset: number
  readonly logStartOffset: number
}

/** Whoever waits for an append: told exactly once, with the `index` it gave. */
export interface AppendWaiter {
  appended(index: number, result: AppendResult): void
}

/** A batch that passed validation, with the memory it lies in. */
export interface AppendBatch {
  /** Exactly one record batch. Its base offset and leader epoch are written in place. */
  readonly bytes: Buffer
  readonly frame: SharedBytes
  readonly recordCount: number
  readonly maxTimestampMs: number
  readonly attributes: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

/** What a partition needs of its surroundings. */
export interface PartitionHost {
  readonly nodeId: number
  readonly wal: Pick<WalWriter, 'enqueue'>
  readonly tailCache: TailCache
  /** Milliseconds since 1970. */
  wallMs(): number
  /** The open entry is durable: the epoch exists. */
  opened(partition: Partition): void
  /** The close entry is durable; `state` is what the next owner begins with. */
  closed(partition: Partition, state: Buffer): void
}

interface Waiting {
  readonly waiter: AppendWaiter
  readonly index: number
  readonly baseOffset: number
  /** The waiter is told once this offset is durable. */
  readonly lastOffset: number
}

/** Entries without data still take this much of a log object, roughly. */
const STATE_ENTRY_BYTES = 256

/**
 * One partition at its owner, for one leader epoch. Appends go to the WAL and become visible and
 * acknowledged only when durable; `state` is the durable state, what is pending lies beside it.
 */
export class Partition implements WalSource {
  phase: Phase = 'opening'
  /** The durable state. Only set from `opening` on. */
  state: HotState | null = null
  /** The offset that the next record gets. */
  nextOffset = 0
  openDurable = false
  /** Whether somebody read at the tail lately: only then is it worth keeping new data in memory. */
  tailReadAtMs = Number.NEGATIVE_INFINITY
  readonly cached = new CachedRuns()

  private openCut = false
  private closeWanted = false
  private readonly cuts: WalCut[] = []
  private inFlightRuns: Run[] = []
  private pendingBatches: BatchMeta[] = []
  private pendingPieces: Buffer[] = []
  private pendingFrames: SharedBytes[] = []
  /** In offset order, but for duplicates of batches in flight, which go to `duplicates`. */
  private waiting: Waiting[] = []
  private duplicates: Waiting[] = []
  private readonly logStartWishes = new LogStartWishes()
  private openWaiters = new Set<{ readonly callback: () => void }>()
  private watchers = new Set<() => void>()

  readonly topicId: string
  readonly index: number
  readonly leaderEpoch: number
  private readonly host: PartitionHost
  /** Decides whether a run that became durable stays in memory. */
  keepsTail: () => boolean = () => false

  constructor(
    address: { topicId: string; partition: number; leaderEpoch: number },
    host: PartitionHost,
  ) {
    this.topicId = address.topicId
    this.index = address.partition
    this.leaderEpoch = address.leaderEpoch
    this.host = host
  }

  private get address(): { topicId: string; partition: number; leaderEpoch: number } {
    return { topicId: this.topicId, partition: this.index, leaderEpoch: this.leaderEpoch }
  }

  /** The first offset that is not durable: what consumers may read up to. */
  get highWatermark(): number {
    return this.state?.endOffset ?? 0
  }

  get logStartOffset(): number {
    return this.state?.logStartOffset ?? 0
  }

  /**
   * Begins the epoch with the state that was recovered (R2). Its open entry goes into the next cut,
   * before all data: nothing new is acknowledged without it (open-first).
   */
  open(state: HotState): void {
    assert(this.phase === 'opening', 'a partition is opened once')
    this.state = state
    state.producers.canOvertake = this.leaderEpoch > 0
    this.nextOffset = state.endOffset
    this.phase = 'open'
    this.host.wal.enqueue(this, STATE_ENTRY_BYTES)
    this.wakeOpenWaiters()
    if (this.closeWanted) this.beginClose()
  }

  /**
   * Calls `callback` once the partition is open or will never be; at once if that is so now.
   * Returns the way to give up: a partition that never opens must not gather all who ever asked.
   */
  whenOpen(callback: () => void): () => void {
    const waiter = { callback }
    if (this.phase !== 'opening') callback()
    else this.openWaiters.add(waiter)
    return () => {
      this.openWaiters.delete(waiter)
    }
  }

  /** How many wait for it to open. */
  get openWaiterCount(): number {
    return this.openWaiters.size
  }

  private wakeOpenWaiters(): void {
    const waiters = this.openWaiters
    this.openWaiters = new Set()
    for (const { callback } of waiters) callback()
  }

  /**
   * Appends one batch, in one synchronous step: sequence check, offsets, queue. The waiter hears of
   * it once durable. A duplicate is answered when its original is durable, never before (open-first).
   */
  append(batch: AppendBatch, waiter: AppendWaiter, index: number): void {
    if (this.phase !== 'open' || this.state === null) {
      waiter.appended(index, this.failure('not-leader'))
      return
    }
    const { producerId, producerEpoch, baseSequence, recordCount } = batch
    if (producerId >= 0) {
      const { producers } = this.state
      const check = producers.check(producerId, producerEpoch, baseSequence, recordCount)
      if (check.verdict === 'out-of-order' || check.verdict === 'stale-epoch') {
        const stale = check.verdict === 'stale-epoch'
        waiter.appended(
          index,
          this.failure(stale ? 'stale-producer-epoch' : 'out-of-order-sequence'),
        )
        return
      }
      if (check.verdict === 'duplicate') {
        this.answerDuplicate({ waiter, index, ...check.of })
        return
      }
    }
    const baseOffset = this.nextOffset
    const meta: BatchMeta = {
      baseOffset,
      lastOffset: baseOffset + recordCount - 1,
      sizeBytes: batch.bytes.length,
      maxTimestampMs: batch.maxTimestampMs,
      attributes: batch.attributes,
      producerId,
      producerEpoch,
      baseSequence,
    }
    setBaseOffset(batch.bytes, 0, baseOffset)
    setLeaderEpoch(batch.bytes, 0, this.leaderEpoch)
    this.nextOffset = baseOffset + recordCount
    if (producerId >= 0) {
      this.state.producers.add(meta, this.host.wallMs(), this.state.endOffset)
    }
    batch.frame.retain()
    this.pendingBatches.push(meta)
    this.pendingPieces.push(batch.bytes)
    this.pendingFrames.push(batch.frame)
    this.waiting.push({ waiter, index, baseOffset, lastOffset: meta.lastOffset })
    this.host.wal.enqueue(this, batch.bytes.length)
  }

  private failure(error: AppendError): AppendResult {
    return { error, baseOffset: -1, logStartOffset: -1 }
  }

  private answerDuplicate(waiting: Waiting): void {
    if (waiting.lastOffset < this.highWatermark) this.acknowledge(waiting)
    else this.duplicates.push(waiting)
  }

  private acknowledge(waiting: Waiting): void {
    assert(waiting.lastOffset < this.highWatermark, 'only what is durable is acknowledged')
    waiting.waiter.appended(waiting.index, {
      error: null,
      baseOffset: waiting.baseOffset,
      logStartOffset: this.logStartOffset,
    })
  }

  cut(builder: LogObjectBuilder, seq: number): WalCut | null {
    if (this.phase === 'closed') return null
    const state = present(this.state, 'the state of a partition with entries')
    const opens = !this.openCut
    if (opens) {
      assert(this.inFlightRuns.length === 0, 'nothing of an epoch precedes its open entry')
      builder.addState('open', this.address, encodeHotState(state))
      this.openCut = true
    }
    const batches = this.pendingBatches
    const pieces = this.pendingPieces
    // Without batches the arrays stay in use for those to come, which are not this cut's to release.
    const frames = batches.length > 0 ? this.pendingFrames : []
    let run: Run | null = null
    if (batches.length > 0) {
      const position = builder.addRun(this.address, pieces, batches)
      run = runOf({ nodeId: this.host.nodeId, seq, position }, batches)
      this.inFlightRuns.push(run)
      this.pendingBatches = []
      this.pendingPieces = []
      this.pendingFrames = []
    }
    const logStart = this.logStartWishes.cut()
    if (logStart !== null) builder.addLogStart(this.address, logStart)
    let closeState: Buffer | null = null
    if (this.closeWanted) {
      closeState = this.stateAfterAllRuns(state)
      builder.addState('close', this.address, closeState)
    }
    const cut: WalCut = {
      durable: () => {
        assert(this.cuts.shift() === cut, 'the objects of a partition become durable in order')
        if (this.phase === 'closed') {
          for (const frame of frames) frame.release()
          return
        }
        if (opens) this.openDurable = true
        if (run !== null) this.runDurable(run, batches, pieces, frames)
        if (logStart !== null) {
          advanceLogStart(state, logStart)
          this.logStartWishes.durable(logStart)
        }
        if (opens) this.host.opened(this)
        if (closeState !== null) this.closeDurable(closeState)
      },
    }
    this.cuts.push(cut)
    return cut
  }

  /** The state once everything in flight is durable: what a close entry must say. */
  private stateAfterAllRuns(state: HotState): Buffer {
    const after: HotState = {
      logStartOffset: state.logStartOffset,
      endOffset: state.endOffset,
      epochs: state.epochs.slice(),
      producers: state.producers,
      runs: state.runs.copy(),
    }
    for (const run of this.inFlightRuns) advanceHotState(after, run, this.leaderEpoch)
    advanceLogStart(after, this.logStartWishes.lastCut)
    assert(after.endOffset === this.nextOffset, 'a close entry covers everything that was appended')
    return encodeHotState(after)
  }

  private runDurable(
    run: Run,
    batches: readonly BatchMeta[],
    pieces: readonly Buffer[],
    frames: readonly SharedBytes[],
  ): void {
    const state = present(this.state, 'the state of an open partition')
    assert(this.inFlightRuns.shift() === run, 'runs become durable in order')
    advanceHotState(state, run, this.leaderEpoch)
    if (this.keepsTail()) {
      this.host.tailCache.add(this.cached, batches, pieces, frames)
    } else {
      this.host.tailCache.clear(this.cached)
      for (const frame of frames) frame.release()
    }
    let answered = 0
    while (answered < this.waiting.length) {
      const waiting = this.waiting[answered] as Waiting
      if (waiting.lastOffset >= state.endOffset) break
      answered++
      this.acknowledge(waiting)
    }
    this.waiting.splice(0, answered)
    if (this.duplicates.length > 0) {
      const { duplicates } = this
      this.duplicates = []
      for (const waiting of duplicates) this.answerDuplicate(waiting)
    }
    this.wakeWatchers()
  }

  /** Calls `watcher` whenever new data is durable, and when the partition closes. */
  watch(watcher: () => void): void {
    this.watchers.add(watcher)
  }

  unwatch(watcher: () => void): void {
    this.watchers.delete(watcher)
  }

  get watcherCount(): number {
    return this.watchers.size
  }

  private wakeWatchers(): void {
    for (const watcher of [...this.watchers]) watcher()
  }

  /**
   * Deletes all records below `offset`, which must not be above the high watermark. The waiter hears
   * of it once: when it is durable, or when this node is not the owner any more.
   */
  deleteBefore(offset: number, waiter: LogStartWaiter): void {
    assert(offset <= this.highWatermark, 'only what is durable is deleted')
    if (this.phase !== 'open') waiter(false)
    else if (offset <= this.logStartOffset) waiter(true)
    else if (this.logStartWishes.add(offset, waiter)) {
      this.host.wal.enqueue(this, STATE_ENTRY_BYTES)
    }
  }

  /**
   * Lets the log begin at `offset`, which must be durable: nobody reads what lies below it. Unlike
   * {@link deleteBefore} it is told to nobody, and may be lost with this node.
   */
  advanceLogStart(offset: number): void {
    assert(this.phase === 'open', 'only the owner moves the log start')
    advanceLogStart(present(this.state, 'the state of an open partition'), offset)
  }

  /** Stops accepting; writes the close entry behind everything that was accepted (design §5). */
  beginClose(): void {
    if (this.phase === 'opening') {
      this.closeWanted = true
      return
    }
    if (this.phase !== 'open') return
    this.phase = 'closing'
    this.closeWanted = true
    this.host.wal.enqueue(this, STATE_ENTRY_BYTES)
    // Readers go to the next owner; what they miss becomes visible there.
    this.wakeWatchers()
  }

  /** Stops accepting without a close: the node ends here, and the next owner reads its WAL. */
  freeze(): void {
    if (this.phase === 'open') this.phase = 'closing'
    this.wakeWatchers()
  }

  /** Comes in key order: a close above a gap would tell the next owner of what may be cut off. */
  private closeDurable(state: Buffer): void {
    this.phase = 'closed'
    assert(this.waiting.length === 0 && this.pendingBatches.length === 0, 'nothing follows a close')
    assert(this.logStartWishes.isEmpty, 'a close waits for the log starts before it')
    this.host.tailCache.clear(this.cached)
    this.wakeWatchers()
    this.host.closed(this, state)
  }

  /** Gives up without writing anything: the topic is gone, or the node is fenced. */
  abandon(): void {
    this.phase = 'closed'
    this.host.tailCache.clear(this.cached)
    for (const frame of this.pendingFrames) frame.release()
    this.pendingFrames = []
    this.pendingPieces = []
    this.pendingBatches = []
    const waiting = [...this.waiting, ...this.duplicates]
    this.waiting = []
    this.duplicates = []
    for (const { waiter, index } of waiting) waiter.appended(index, this.failure('not-leader'))
    this.logStartWishes.abandon()
    this.wakeOpenWaiters()
    this.wakeWatchers()
  }
}
