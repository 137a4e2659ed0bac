import type { Clock } from './clock.ts'

/** Something that happens again and again, to wait for the next time of. */
export class Signal {
  private waiters = new Set<() => void>()

  /** Wakes everybody who waits now. */
  notify(): void {
    const waiters = this.waiters
    this.waiters = new Set()
    for (const wake of waiters) wake()
  }

  /** Resolves at the next notification, or after `timeoutMs`. */
  wait(clock: Clock, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        this.waiters.delete(wake)
        resolve()
      }
      const timer = clock.after(timeoutMs, wake)
      this.waiters.add(wake)
    })
  }
}
