/** A pending timer. `cancel` is idempotent and does nothing once the timer has fired. */
export interface Timer {
  cancel(): void
}

/**
 * All time in the program. Injected, so that the simulator owns it; `Date.now` and `setTimeout`
 * are refused by the linter outside this folder.
 */
export interface Clock {
  /** Monotonic milliseconds, from an arbitrary start. Every time-out uses this one. */
  nowMs(): number
  /** Milliseconds since 1970, for time stamps told to people and clients. It may jump. */
  wallMs(): number
  /** Runs `callback` once, `delayMs` from now at the earliest. */
  after(delayMs: number, callback: () => void): Timer
}

/** Node takes a longer delay for none at all, and fires at once. */
const DELAY_MS_MAX = 2 ** 31 - 1

/** The machine's own clock. Delays of more than 24 days count as that. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, Math.min(delayMs, DELAY_MS_MAX))
    return { cancel: () => clearTimeout(handle) }
  },
}

/** Resolves after `delayMs`, or at once (without an error) when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const timer = clock.after(delayMs, finish)
    function finish(): void {
      signal?.removeEventListener('abort', finish)
      timer.cancel()
      resolve()
    }
    signal?.addEventListener('abort', finish, { once: true })
  })
}
