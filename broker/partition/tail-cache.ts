import type { SharedBytes } from '../../base/buffer-pool.ts'
import type { BatchMeta } from '../wal/log-object.ts'

/** What a cached batch costs beside its bytes: views, metadata, places in arrays. */
const BATCH_OVERHEAD_BYTES = 512

/** So many places of the queue may be of runs that are gone; then it is gone through. */
const QUEUE_SLACK = 256

/** A durable run that is still in memory, as the batches that clients sent. */
export interface CachedRun {
  readonly owner: CachedRuns
  readonly baseOffset: number
  readonly endOffset: number
  readonly batches: readonly BatchMeta[]
  /** One view per batch, and who owns the memory under each. */
  readonly pieces: readonly Buffer[]
  readonly frames: readonly SharedBytes[]
}

/** The newest runs of one partition, oldest first, without gaps up to the high watermark. */
export class CachedRuns {
  private runs: CachedRun[] = []

  push(run: CachedRun): void {
    this.runs.push(run)
  }

  /** The cache is over its budget: the oldest run of all goes, and it is the oldest here too. */
  dropOldest(): void {
    this.runs.shift()
  }

  /** Forgets everything, for instance because newer data was not cached: no gaps may be inside. */
  takeAll(): CachedRun[] {
    const runs = this.runs
    this.runs = []
    return runs
  }

  get baseOffset(): number {
    return this.runs[0]?.baseOffset ?? Number.POSITIVE_INFINITY
  }

  get isEmpty(): boolean {
    return this.runs.length === 0
  }

  /** The index of the run that holds `offset`; it must be at or above {@link baseOffset}. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.runs.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (offset < (this.runs[middle] as CachedRun).endOffset) high = middle
      else low = middle + 1
    }
    return low
  }

  at(index: number): CachedRun | undefined {
    return this.runs[index]
  }
}

/**
 * What the newest data of all partitions may take of a node's memory; first in, first out. A view
 * pins the whole frame it lies in, so a frame counts whole for as long as one view of it is kept.
 */
export class TailCache {
  bytes = 0
  private queue: (CachedRun | null)[] = []
  private head = 0
  private readonly live = new Set<CachedRun>()
  private readonly bytesMax: number

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  /** Takes a durable run over, with its owners' counts, and drops the oldest over the budget. */
  add(
    owner: CachedRuns,
    batches: readonly BatchMeta[],
    pieces: readonly Buffer[],
    frames: readonly SharedBytes[],
  ): void {
    const first = batches[0] as BatchMeta
    const last = batches[batches.length - 1] as BatchMeta
    const run: CachedRun = {
      owner,
      baseOffset: first.baseOffset,
      endOffset: last.lastOffset + 1,
      batches,
      pieces,
      frames,
    }
    owner.push(run)
    this.queue.push(run)
    this.live.add(run)
    this.bytes += batches.length * BATCH_OVERHEAD_BYTES
    for (const frame of frames) {
      if (frame.cachedViews === 0) this.bytes += frame.buffer.length
      frame.cachedViews++
    }
    while (this.bytes > this.bytesMax) this.dropOldest()
  }

  private dropOldest(): void {
    for (;;) {
      const run = this.queue[this.head]
      if (run === undefined) return
      this.queue[this.head] = null
      this.head++
      if (this.head >= 1024 && this.head * 2 > this.queue.length) {
        this.queue = this.queue.slice(this.head)
        this.head = 0
      }
      if (run === null || !this.live.has(run)) continue
      run.owner.dropOldest()
      this.forget(run)
      return
    }
  }

  /** Drops all runs of a partition that is gone, or whose newest data was not kept. */
  clear(owner: CachedRuns): void {
    for (const run of owner.takeAll()) this.forget(run)
    // Below its budget nothing is ever dropped, and what was cleared would pin its memory in here.
    if (this.queue.length - this.head > 2 * this.live.size + QUEUE_SLACK) {
      this.queue = this.queue.filter((run) => run !== null && this.live.has(run))
      this.head = 0
    }
  }

  /** How many places its queue has; for tests. */
  get queueLength(): number {
    return this.queue.length - this.head
  }

  private forget(run: CachedRun): void {
    this.live.delete(run)
    this.bytes -= run.batches.length * BATCH_OVERHEAD_BYTES
    for (const frame of run.frames) {
      frame.cachedViews--
      if (frame.cachedViews === 0) this.bytes -= frame.buffer.length
      frame.release()
    }
  }
}
