import type { Random } from '../base/random.ts'

/** Exponential, from `firstMs` to `lastMs`. */
export interface Backoff {
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * How long to wait after the try number `tries` (1 for the first) failed. Half of it is random, so
 * that many nodes which failed together do not come back together.
 */
export function backoffMs(backoff: Backoff, tries: number, random: Random): number {
  const whole = Math.min(backoff.lastMs, backoff.firstMs * 2 ** Math.min(tries - 1, 30))
  return whole / 2 + random.below(Math.ceil(whole / 2) + 1)
}
