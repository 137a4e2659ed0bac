/** What decides how dear it is to empty a broker. */
export interface ScaleInCandidate {
  /** A broker that never served has nothing to empty. */
  readonly ready: boolean
  readonly partitions: number
  readonly bytesPerSecond: number
  readonly controller: boolean
  /** Later starts have higher numbers. */
  readonly sequence: number
}

/** Costs this close are equal: measurements differ by that much from second to second. */
const EQUAL_SHARE = 0.01

/**
 * `candidates` in the order in which to remove them: the cheapest to empty first. First those that
 * do not serve yet (the newest first: the oldest of them will serve soonest). Then by the share of
 * all partitions plus the share of all traffic that has to move. Among equals the controller comes
 * last, because its work has to move too, and the newest comes last, so that a broker that was
 * just added does not go at once.
 */
export function inRemovalOrder<T extends ScaleInCandidate>(candidates: readonly T[]): T[] {
  const partitions = candidates.reduce((sum, each) => sum + each.partitions, 0)
  const traffic = candidates.reduce((sum, each) => sum + each.bytesPerSecond, 0)
  const costOf = (candidate: T): number => {
    const share =
      candidate.partitions / Math.max(1, partitions) +
      candidate.bytesPerSecond / Math.max(1, traffic)
    // In whole steps, because "nearly equal" does not order a list.
    return Math.round(share / EQUAL_SHARE)
  }
  return candidates
    .map((candidate) => ({ candidate, cost: costOf(candidate) }))
    .sort((left, right) => {
      const [a, b] = [left.candidate, right.candidate]
      if (a.ready !== b.ready) return a.ready ? 1 : -1
      if (!a.ready) return b.sequence - a.sequence
      if (left.cost !== right.cost) return left.cost - right.cost
      if (a.controller !== b.controller) return a.controller ? 1 : -1
      return a.sequence - b.sequence
    })
    .map(({ candidate }) => candidate)
}
