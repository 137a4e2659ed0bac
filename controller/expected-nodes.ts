/** Nodes that do not come within this time are not waited for: those that are there share evenly. */
const WAIT_MS_MAX = 30_000

/**
 * How many nodes there are to be, by the word of whoever orders them. Their shares are kept for those
 * that are on their way: else the first of several would get a share of what the others are to have,
 * and every partition of it would have to be opened, written down and moved once more.
 */
export class ExpectedNodes {
  private ordered = 0
  private active = 0
  private sinceMs = Number.NEGATIVE_INFINITY

  /** There are to be `count` nodes from now on. Whether that is news. `nowMs`: clock.nowMs. */
  order(count: number, nowMs: number): boolean {
    if (count === this.ordered) return false
    this.ordered = count
    this.sinceMs = nowMs
    return true
  }

  /** How many are missing of those that are worth waiting for, where `active` nodes are there. */
  missing(active: number, nowMs: number): number {
    if (active !== this.active) {
      this.active = active
      this.sinceMs = nowMs
    }
    return nowMs - this.sinceMs < WAIT_MS_MAX ? Math.max(0, this.ordered - active) : 0
  }
}
