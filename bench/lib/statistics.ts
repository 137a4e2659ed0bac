/** The middle, and how far the values lie apart. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** The value below which `share` (0 to 1) of `values` lie; nearest rank. NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const rank = Math.ceil(share * sorted.length) - 1
  return sorted[Math.min(Math.max(rank, 0), sorted.length - 1)] as number
}

/** Median, extremes and count of `values`. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? Number.NaN
  return {
    median: (lower + upper) / 2,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    count: sorted.length,
  }
}

/**
 * The ratios of what was measured side by side: both lists in the order of measurement, so that
 * whatever slows the machine for a while slows both halves of a pair.
 */
export function pairRatios(ours: readonly number[], theirs: readonly number[]): Spread {
  const ratios: number[] = []
  for (const [index, value] of ours.entries()) {
    const other = theirs[index]
    if (other !== undefined) ratios.push(value / other)
  }
  return spreadOf(ratios)
}

/** A B B A, `rounds` times over: a machine that grows slower or faster favours neither. */
export function alternation<T>(a: T, b: T, rounds: number): T[] {
  return Array.from({ length: rounds }, () => [a, b, b, a]).flat()
}
