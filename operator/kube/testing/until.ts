import { setImmediate } from 'node:timers/promises'
import type { VirtualClock } from '../../../base/testing/virtual-clock.ts'

/**
 * Lets real input and output go on, with the simulated clock standing, until `condition` holds.
 * Jest's own time-out ends it when it never does.
 */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate()
}

/**
 * Moves the simulated clock on in steps of `stepMs`, with room for real input and output between
 * them, until `condition` holds or `limitMs` have gone by; says whether it held.
 */
export async function advanceUntil(
  clock: VirtualClock,
  condition: () => boolean,
  options: { stepMs?: number; limitMs: number },
): Promise<boolean> {
  const endMs = clock.nowMs() + options.limitMs
  while (!condition()) {
    if (clock.nowMs() >= endMs) return false
    await clock.advanceBy(options.stepMs ?? 100)
    await settle()
  }
  return true
}

/** Enough turns of the event loop for a request over loopback and its answer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 25; turn++) await setImmediate()
}
