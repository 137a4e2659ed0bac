import type { Clock, Timer } from '../../base/clock.ts'

export interface QueueLimits {
  /** The wait after a key's first failure; each further one doubles it. */
  readonly backoffFirstMs: number
  readonly backoffLastMs: number
  /** Over all keys: so many repetitions per second, so many at once. */
  readonly ratePerSecond: number
  readonly burst: number
}

/** client-go's defaults for controllers. */
const LIMITS_DEFAULT: QueueLimits = {
  backoffFirstMs: 5,
  backoffLastMs: 1_000_000,
  ratePerSecond: 10,
  burst: 100,
}

export interface QueueCounts {
  /** Keys that wait for a worker. */
  readonly waiting: number
  /** Keys that workers are at. */
  readonly processing: number
  /** Keys that wait for their time. */
  readonly delayed: number
  readonly addsTotal: number
  readonly repetitionsTotal: number
}

/**
 * Tokens that may be reserved ahead of time: a reservation tells how long to wait for it
 * (client-go's `rate.Limiter`).
 */
class TokenBucket {
  private readonly clock: Clock
  private readonly limits: QueueLimits
  private tokens: number
  private filledAtMs: number

  constructor(clock: Clock, limits: QueueLimits) {
    this.clock = clock
    this.limits = limits
    this.tokens = limits.burst
    this.filledAtMs = clock.nowMs()
  }

  reserveMs(): number {
    const nowMs = this.clock.nowMs()
    const { ratePerSecond, burst } = this.limits
    const filled = ((nowMs - this.filledAtMs) * ratePerSecond) / 1000
    this.tokens = Math.min(burst, this.tokens + filled) - 1
    this.filledAtMs = nowMs
    return this.tokens >= 0 ? 0 : (-this.tokens * 1000) / ratePerSecond
  }
}

/**
 * Keys that wait for work, with the semantics of client-go's work queue: a key waits once however
 * often it is added; one worker at a time has it; a key added while a worker has it comes again
 * when that worker is done. Nothing that happened before work on a key began is missed by it.
 */
export class WorkQueue {
  private readonly clock: Clock
  private readonly limits: QueueLimits
  private readonly bucket: TokenBucket
  /** Keys ready for a worker, in order. A Set keeps the order of insertion. */
  private readonly ready = new Set<string>()
  /** Keys that need work: the ready ones, and those added while a worker has them. */
  private readonly dirty = new Set<string>()
  private readonly processing = new Set<string>()
  private readonly delayed = new Map<string, { dueMs: number; timer: Timer }>()
  private readonly failures = new Map<string, number>()
  private readonly takers: ((key: string | null) => void)[] = []
  private readonly drainWaiters: (() => void)[] = []
  private isShutDown = false
  private addsTotal = 0
  private repetitionsTotal = 0

  constructor(clock: Clock, limits: Partial<QueueLimits> = {}) {
    this.clock = clock
    this.limits = { ...LIMITS_DEFAULT, ...limits }
    this.bucket = new TokenBucket(clock, this.limits)
  }

  get counts(): QueueCounts {
    return {
      waiting: this.ready.size,
      processing: this.processing.size,
      delayed: this.delayed.size,
      addsTotal: this.addsTotal,
      repetitionsTotal: this.repetitionsTotal,
    }
  }

  /** Does nothing after {@link shutDown}, or when the key waits already. */
  add(key: string): void {
    if (this.isShutDown || this.dirty.has(key)) return
    this.addsTotal++
    this.dirty.add(key)
    if (!this.processing.has(key)) this.makeReady(key)
  }

  /** Adds `key` after `delayMs`. Of several delays for one key the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.isShutDown) return
    if (delayMs <= 0) {
      this.add(key)
      return
    }
    const dueMs = this.clock.nowMs() + delayMs
    const earlier = this.delayed.get(key)
    if (earlier !== undefined && earlier.dueMs <= dueMs) return
    earlier?.timer.cancel()
    const timer = this.clock.after(delayMs, () => {
      this.delayed.delete(key)
      this.add(key)
    })
    this.delayed.set(key, { dueMs, timer })
  }

  /** Adds `key` after its own backoff and the bucket of all keys; returns the delay. */
  addRateLimited(key: string): number {
    const failureCount = this.failures.get(key) ?? 0
    this.failures.set(key, failureCount + 1)
    const { backoffFirstMs, backoffLastMs } = this.limits
    const ownMs = Math.min(backoffLastMs, backoffFirstMs * 2 ** Math.min(failureCount, 40))
    const delayMs = Math.max(ownMs, this.bucket.reserveMs())
    this.repetitionsTotal++
    this.addAfter(key, delayMs)
    return delayMs
  }

  /** The key went well: its next failure is the first one again. */
  forget(key: string): void {
    this.failures.delete(key)
  }

  failureCount(key: string): number {
    return this.failures.get(key) ?? 0
  }

  /** The next key, which the caller has until `done`; null once the queue is shut down and empty. */
  take(): Promise<string | null> {
    for (const key of this.ready) {
      this.ready.delete(key)
      this.hand(key)
      return Promise.resolve(key)
    }
    if (this.isShutDown) return Promise.resolve(null)
    return new Promise((resolve) => this.takers.push(resolve))
  }

  /** Gives back what `take` gave. */
  done(key: string): void {
    this.processing.delete(key)
    if (this.dirty.has(key)) this.makeReady(key)
    this.wakeDrained()
  }

  /**
   * Takes nothing more, forgets what waits for its time, and resolves when workers gave back all
   * that was ready. Workers then get null.
   */
  shutDown(): Promise<void> {
    this.isShutDown = true
    for (const { timer } of this.delayed.values()) timer.cancel()
    this.delayed.clear()
    if (this.ready.size === 0) for (const taker of this.takers.splice(0)) taker(null)
    return new Promise((resolve) => {
      this.drainWaiters.push(resolve)
      this.wakeDrained()
    })
  }

  private makeReady(key: string): void {
    const taker = this.takers.shift()
    if (taker === undefined) {
      this.ready.add(key)
      return
    }
    this.hand(key)
    taker(key)
  }

  private hand(key: string): void {
    this.dirty.delete(key)
    this.processing.add(key)
  }

  private wakeDrained(): void {
    if (!this.isShutDown || this.processing.size > 0 || this.ready.size > 0) return
    for (const taker of this.takers.splice(0)) taker(null)
    for (const wake of this.drainWaiters.splice(0)) wake()
  }
}
