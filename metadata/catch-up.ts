import type { Clock } from '../base/clock.ts'
import { StoreError } from '../object-store/store.ts'
import type { AppliedState } from './applied.ts'
import { decodeBatch } from './batch.ts'
import { LogStopped } from './errors.ts'
import { METADATA_BOUNDARY_PREFIX } from './keys.ts'
import { orStopped } from './log-context.ts'
import type { LogReader } from './log-reader.ts'

/** Objects read at once when far behind: hides the store's latency, bounds the bytes held. */
const READ_AHEAD_MAX = 16

/** Moves an {@link AppliedState} to the head of the log. At most one read of the log runs. */
export class CatchUp {
  /**
   * When the last read that found the head began (clock.nowMs): the image holds everything that was
   * durable then. -Infinity before the first.
   */
  headConfirmedAtMs = Number.NEGATIVE_INFINITY
  private readonly clock: Clock
  private readonly reader: LogReader
  private readonly applied: AppliedState
  private readonly signal: AbortSignal
  private running: Promise<void> | null = null
  private queued: Promise<void> | null = null

  constructor(parts: {
    clock: Clock
    reader: LogReader
    applied: AppliedState
    signal: AbortSignal
  }) {
    this.clock = parts.clock
    this.reader = parts.reader
    this.applied = parts.applied
    this.signal = parts.signal
  }

  /**
   * Resolves once everything is applied that was durable at the time of the call. Calls share work,
   * but never with a read that began before them: it may have missed what the caller asks for.
   * Throws StoreError, or {@link LogStopped}.
   */
  run(): Promise<void> {
    if (this.queued !== null) return this.queued
    if (this.running === null) return this.begin()
    const begin = (): Promise<void> => {
      this.queued = null
      return this.begin()
    }
    this.queued = this.running.then(begin, begin)
    return this.queued
  }

  private begin(): Promise<void> {
    const run = orStopped(this.readToHead(), this.signal).finally(() => {
      if (this.running === run) this.running = null
    })
    this.running = run
    return run
  }

  private async readToHead(): Promise<void> {
    const { applied, reader } = this
    const startedAtMs = this.clock.nowMs()
    for (let count = 1; ; count = Math.min(2 * count, READ_AHEAD_MAX)) {
      if (this.signal.aborted) throw new LogStopped()
      const firstSeq = applied.seq + 1
      const objects = await reader.readRun(firstSeq, count)
      // R10: what was read, and what was absent, counts only above the boundary as it is now.
      const boundary = await reader.readBoundary()
      if (this.signal.aborted) throw new LogStopped()
      // The own appends may have moved the state on meanwhile.
      if (boundary > applied.seq + 1) {
        await this.reload(boundary)
        continue
      }
      for (const [index, object] of objects.entries()) {
        const seq = firstSeq + index
        if (seq === applied.seq + 1) applied.apply(decodeBatch(seq, object))
      }
      applied.nonces.forgetBelow(boundary)
      const absentSeq = firstSeq + objects.length
      if (objects.length < count && absentSeq >= boundary) break
    }
    this.confirmHead(startedAtMs)
  }

  /** The image holds everything that was durable at `atMs`. */
  confirmHead(atMs: number): void {
    this.headConfirmedAtMs = Math.max(this.headConfirmedAtMs, atMs)
  }

  /** Takes the newest snapshot, where the log below `boundary` is gone. */
  async reload(boundary: number): Promise<void> {
    const { applied, reader } = this
    const state = await reader.newestSnapshot(applied.seq)
    if (this.signal.aborted) throw new LogStopped()
    // No own append moves the state on meanwhile: it heeds the boundary that was just read.
    if (state) applied.replace(state)
    if (applied.seq + 1 >= boundary) return
    // Raised only after its snapshot, of which the newest two are never deleted.
    const message = `the log begins at ${boundary}, but there is no snapshot from before that`
    throw new StoreError('corrupt', METADATA_BOUNDARY_PREFIX, message)
  }
}
