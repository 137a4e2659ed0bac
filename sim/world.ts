import type { Random } from '../base/random.ts'
import { seededRandom } from '../base/random.ts'
import type { VirtualClock } from '../base/testing/virtual-clock.ts'
import { virtualClock } from '../base/testing/virtual-clock.ts'
import { Trace } from './trace.ts'

/** A property that did not hold. */
export interface Violation {
  readonly property: string
  readonly details: string
}

/** A 32-bit hash (FNV-1a), to give every part of a run its own random numbers. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** One run's time, chance, and trace, and what was found wrong in it. */
export class World {
  readonly seed: number
  readonly clock: VirtualClock
  readonly trace: Trace
  violation: Violation | null = null
  /** Resolves with the first violation. */
  readonly failed: Promise<void>
  private markFailed: () => void = () => {}

  constructor(seed: number, options: { keepsAll: boolean }) {
    this.seed = seed
    this.clock = virtualClock()
    this.trace = new Trace(() => this.clock.nowMs(), options)
    this.failed = new Promise((resolve) => {
      this.markFailed = resolve
    })
  }

  /** Random numbers of their own for `name`, so that one part's draws do not shift another's. */
  random(name: string): Random {
    return seededRandom(hashOf(`${this.seed}/${name}`))
  }

  /** Notes a violation; the run ends with the first one. */
  fail(property: string, details: string): void {
    if (this.violation !== null) return
    this.violation = { property, details }
    this.trace.line('VIOLATION', `${property}: ${details}`)
    this.markFailed()
  }
}

/** True in `permille` of 1,000 draws. */
export function chance(random: Random, permille: number): boolean {
  return permille > 0 && random.below(1_000_000) < permille * 1_000
}

/** A number in [low, high), in steps of a thousandth of the span. */
export function between(random: Random, low: number, high: number): number {
  return low + ((high - low) * random.below(1_000)) / 1_000
}

/** One of `items`, which must not be empty. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T
}
