import { assert, InvariantError } from '../base/assert.ts'
import type { Timer } from '../base/clock.ts'
import type { CatchUp } from './catch-up.ts'
import type { LogContext } from './log-context.ts'

/** A tenth either way: nodes that were told of news together do not poll together ever after. */
const JITTER = 0.2

/** Follows the log: polls, and reads at once when poked. */
export class Tail {
  private readonly context: LogContext
  private readonly catchUp: CatchUp
  private readonly pollMs: number
  private following: Promise<void> | null = null
  private isPoked = false
  private wake: (() => void) | null = null

  constructor(context: LogContext, catchUp: CatchUp, pollMs: number) {
    assert(pollMs > 0, 'polls have a pause')
    this.context = context
    this.catchUp = catchUp
    this.pollMs = pollMs
  }

  start(): void {
    this.following ??= this.follow()
  }

  /** There is news. A read that already runs may have missed it, so another one follows it. */
  poke(): void {
    this.isPoked = true
    this.wake?.()
  }

  async stopped(): Promise<void> {
    await this.following
  }

  private async follow(): Promise<void> {
    const { signal, logger } = this.context
    while (!signal.aborted) {
      this.isPoked = false
      try {
        await this.catchUp.run()
      } catch (error) {
        if (signal.aborted) return
        // A bug, not a fault: nothing gets better by reading again.
        if (error instanceof InvariantError) throw error
        logger.warn('cannot follow the metadata log, will try again', { error })
      }
      if (!this.isPoked) await this.pause()
    }
  }

  /** Until the next poll is due, a poke comes, or the log is stopped. */
  private pause(): Promise<void> {
    const { clock, random, signal } = this.context
    if (signal.aborted) return Promise.resolve()
    const delayMs = this.pollMs * (1 - JITTER / 2 + (JITTER * random.below(1_000)) / 1_000)
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', wake)
        this.wake = null
        resolve()
      }
      const timer: Timer = clock.after(delayMs, wake)
      signal.addEventListener('abort', wake, { once: true })
      this.wake = wake
    })
  }
}
