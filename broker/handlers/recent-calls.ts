/** A call is taken for so long after it was sent, by clocks that may differ by as much. */
export const FRESH_MS_MAX = 30_000
/** None of which is seen twice is remembered for at least as long as it would be taken. */
const GENERATION_MS = 2 * FRESH_MS_MAX
/** Brokers have no reason for so many in a generation; more are refused, and nobody's memory is filled. */
const CALLS_MAX = 100_000

/**
 * Which calls of other brokers were taken of late. Calls between brokers are authenticated and not
 * encrypted: whoever records one that changes something must not be able to have it done again.
 */
export class RecentCalls {
  private current = new Set<string>()
  private before = new Set<string>()
  private sinceMs = Number.NEGATIVE_INFINITY

  /** Whether a call may be done: it was sent just now (`sentMs`, `nowMs`: clock.wallMs), and is no repetition. */
  take(nonce: string, sentMs: number, nowMs: number): boolean {
    if (!(Math.abs(nowMs - sentMs) <= FRESH_MS_MAX)) return false
    if (nowMs - this.sinceMs >= GENERATION_MS) {
      this.before = nowMs - this.sinceMs >= 2 * GENERATION_MS ? new Set() : this.current
      this.current = new Set()
      this.sinceMs = nowMs
    }
    if (this.current.has(nonce) || this.before.has(nonce)) return false
    if (this.current.size >= CALLS_MAX) return false
    this.current.add(nonce)
    return true
  }
}
