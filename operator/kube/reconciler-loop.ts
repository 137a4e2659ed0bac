import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Metrics } from '../../base/metrics.ts'
import { type QueueLimits, WorkQueue } from './work-queue.ts'

/** As long as the slowest reasonable pass takes; its requests have deadlines of their own. */
const TIMEOUT_MS_DEFAULT = 120_000

export type ReconcileResult =
  /** What is wanted is there, or on its way. Look again after `requeueAfterMs`, if given. */
  | { readonly type: 'done'; readonly requeueAfterMs?: number }
  /** It did not work out: again, with growing waits. A `quiet` one is everyday life (a conflict). */
  | { readonly type: 'failed'; readonly error: unknown; readonly isQuiet?: boolean }
  /** Trying again is no use until the object changes: told once, and left alone. */
  | { readonly type: 'terminal'; readonly error: unknown }

export interface ReconcilerLoopOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Names it in metrics and logs: letters and underscores. */
  readonly name: string
  readonly workerCount: number
  readonly timeoutMs?: number
  readonly limits?: Partial<QueueLimits>
  /**
   * Brings the object of this key to what is wanted. It learns the key alone, never what happened:
   * it looks for itself. `signal` aborts when its time is over or the loop is stopped at once; it
   * has to come back then. What it throws is a failure like any other.
   */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult>
}

type ResultLabel = 'success' | 'requeue_after' | 'error' | 'terminal_error' | 'timeout'

/**
 * Workers that take keys from a queue and reconcile them, one worker per key at a time. After
 * controller-runtime's controller, its results and its metrics.
 */
export class ReconcilerLoop {
  readonly queue: WorkQueue
  private readonly options: ReconcilerLoopOptions
  private readonly stopping = new AbortController()
  private readonly count: (labels: Record<'result', ResultLabel>) => void
  private readonly observeSeconds: (seconds: number) => void
  private workers: Promise<void>[] = []
  private timeoutsTotal = 0

  constructor(options: ReconcilerLoopOptions) {
    this.options = options
    this.queue = new WorkQueue(options.clock, options.limits)
    const { metrics, name } = options
    const prefix = `streamcluster_operator_${name}`
    this.count = metrics.labelledCounter(
      `${prefix}_reconcile_total`,
      'Passes of the reconciler by how they ended.',
      ['result'],
    )
    this.observeSeconds = metrics.histogram(
      `${prefix}_reconcile_seconds`,
      'How long passes of the reconciler took.',
      'controller',
    )(name)
    const gauge = (what: string, help: string, value: () => number): void =>
      metrics.gauge(`${prefix}_queue_${what}`, help, value)
    gauge('waiting', 'Keys that wait for a worker.', () => this.queue.counts.waiting)
    gauge('processing', 'Keys that workers are at.', () => this.queue.counts.processing)
    gauge('delayed', 'Keys that wait for their time.', () => this.queue.counts.delayed)
    metrics.counter(
      `${prefix}_queue_adds_total`,
      'Keys that became ready for work.',
      () => this.queue.counts.addsTotal,
    )
    metrics.counter(
      `${prefix}_queue_retries_total`,
      'Keys that were put back after a failure.',
      () => this.queue.counts.repetitionsTotal,
    )
  }

  /** Passes that were still at work when their time was over. */
  get timeoutCount(): number {
    return this.timeoutsTotal
  }

  /** Does nothing when it runs already. */
  start(): void {
    if (this.workers.length > 0) return
    this.workers = Array.from({ length: this.options.workerCount }, () => this.work())
  }

  /**
   * Takes nothing more and resolves when all passes came back. With `isUrgent` they are told to
   * come back at once: their lease is lost, and somebody else may be at the same objects.
   */
  async stop(options: { isUrgent?: boolean } = {}): Promise<void> {
    if (options.isUrgent === true) this.stopping.abort()
    const drained = this.queue.shutDown()
    if (this.workers.length === 0) return
    await drained
    await Promise.all(this.workers)
  }

  private async work(): Promise<void> {
    for (;;) {
      const key = await this.queue.take()
      if (key === null) return
      // What is still ready when the loop is stopped at once is not begun.
      if (!this.stopping.signal.aborted) await this.pass(key)
      this.queue.done(key)
    }
  }

  private async pass(key: string): Promise<void> {
    const { clock, log } = this.options
    const startedMs = clock.nowMs()
    const timeoutMs = this.options.timeoutMs ?? TIMEOUT_MS_DEFAULT
    const controller = new AbortController()
    const onStop = (): void => controller.abort()
    this.stopping.signal.addEventListener('abort', onStop, { once: true })
    let isLate = false
    const timer = clock.after(timeoutMs, () => {
      isLate = true
      this.timeoutsTotal++
      log.warn('A pass of the reconciler takes too long', { key, timeoutMs })
      controller.abort()
    })
    let result: ReconcileResult
    try {
      result = await this.options.reconcile(key, controller.signal)
    } catch (error) {
      result = { type: 'failed', error }
    }
    // Only now: the key stays with this worker until its pass is truly over.
    timer.cancel()
    this.stopping.signal.removeEventListener('abort', onStop)
    this.observeSeconds((clock.nowMs() - startedMs) / 1000)
    this.conclude(key, result, isLate)
  }

  private conclude(key: string, result: ReconcileResult, isLate: boolean): void {
    const { log } = this.options
    if (result.type === 'done' && !isLate) {
      this.queue.forget(key)
      const { requeueAfterMs } = result
      this.count({ result: requeueAfterMs === undefined ? 'success' : 'requeue_after' })
      if (requeueAfterMs !== undefined) this.queue.addAfter(key, requeueAfterMs)
      return
    }
    if (result.type === 'terminal') {
      this.queue.forget(key)
      this.count({ result: 'terminal_error' })
      log.error('An object cannot be reconciled until it changes', { key, error: result.error })
      return
    }
    this.count({ result: isLate ? 'timeout' : 'error' })
    const delayMs = this.queue.addRateLimited(key)
    if (result.type === 'done') return
    const fields = { key, error: result.error, delayMs }
    if (result.isQuiet === true) log.debug('An object is reconciled once more', fields)
    else log.warn('An object could not be reconciled, it is tried again', fields)
  }
}
