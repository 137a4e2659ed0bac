/** Nodes that do not come within this time are not waited for: those that are there share evenly. */
const WAIT_MS_MAX = 30_000

/**
 * How many nodes there are to be, by the word of whoever orders them. Their shares are kept for those
 * that are on their way: else the first of several would get a share of what the others are to have,
 * and every partition of it would have to be opened, written down and moved once more.
 */
export class ExpectedNodes {
  private ordered = 0
  /** The most that were there at once since some are missing; 0: none is missing. */
  private most = 0
  private sinceMs = 0

  /** There are to be `count` nodes from now on. Whether that is news. */
  order(count: number): boolean {
    if (count === this.ordered) return false
    this.ordered = count
    this.most = 0
    return true
  }

  /**
   * How many are missing of those that are worth waiting for, where `active` nodes are there. Each one
   * that comes begins the wait anew; one that goes and comes again does not. `nowMs`: clock.nowMs.
   */
  missing(active: number, nowMs: number): number {
    if (active >= this.ordered) {
      this.most = 0
      return 0
    }
    // At least 1, for a cluster of which nobody is there yet.
    const reached = Math.max(1, active)
    if (reached > this.most) {
      this.most = reached
      this.sinceMs = nowMs
    }
    return nowMs - this.sinceMs < WAIT_MS_MAX ? this.ordered - active : 0
  }
}
