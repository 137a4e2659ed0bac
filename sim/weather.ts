import type { Random } from '../base/random.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import { type Fate, lostAnswer, type StoreRequest } from './simulated-store.ts'
import { between, chance } from './world.ts'

/** How often, in 1,000, a request meets which fault. */
export interface StoreFaults {
  readonly failing: number
  readonly conflicting: number
  /** It takes effect, the answer is lost. */
  readonly losing: number
  /** The answer is lost, and it takes effect much later. */
  readonly delaying: number
  /** It takes effect, and once more much later. */
  readonly doubling: number
  /** It never arrives. */
  readonly dropping: number
  readonly latencyMsMax: number
}

export const NO_FAULTS: StoreFaults = {
  failing: 0,
  conflicting: 0,
  losing: 0,
  delaying: 0,
  doubling: 0,
  dropping: 0,
  latencyMsMax: 12,
}

type FaultName = Exclude<keyof StoreFaults, 'latencyMsMax'>
const FAULTS: readonly FaultName[] = ['failing', 'dropping', 'losing']
const WRITE_FAULTS: readonly FaultName[] = [...FAULTS, 'delaying', 'doubling']
const PUT_FAULTS: readonly FaultName[] = [...WRITE_FAULTS, 'conflicting']

/** A client of the store gives up on one request after this long. */
const GIVE_UP_MS = 900
/** A PUT that got stuck on its way lands so much later, at most. */
const LATE_MS_MAX = 6_000

/** The store's faults, now and for whom; the nemesis turns them on and off. */
export class StoreWeather {
  faults: StoreFaults
  /** Nobody gets an answer. */
  isDown = false
  /** So many times slower than usual, for everybody or for some. */
  slowness = 1
  readonly slow = new Map<SimulatedProcess, number>()
  readonly cutOff: Set<SimulatedProcess>
  /** Processes that cannot read the metadata, though the rest works: they know nothing new. */
  readonly deaf = new Set<SimulatedProcess>()
  private readonly random: Random

  constructor(random: Random, faults: StoreFaults, cutOff: Set<SimulatedProcess>) {
    this.random = random
    this.faults = faults
    this.cutOff = cutOff
  }

  /** Back to a store that always works. */
  heal(): void {
    this.faults = NO_FAULTS
    this.isDown = false
    this.slowness = 1
    this.slow.clear()
    this.cutOff.clear()
    this.deaf.clear()
  }

  readonly fateOf = (request: StoreRequest): Fate => {
    const { random, faults } = this
    const { process, operation } = request
    const factor = this.slowness * (this.slow.get(process) ?? 1)
    const effectAfterMs = between(random, 1, faults.latencyMsMax) * factor
    const answerAfterMs = effectAfterMs + between(random, 0.5, faults.latencyMsMax / 2) * factor
    const landsAfterCrash = chance(random, 500)
    const normal: Fate = {
      effectAfterMs,
      answerAfterMs,
      againAfterMs: null,
      error: null,
      landsAfterCrash,
    }
    const lost: Fate = { ...normal, answerAfterMs: GIVE_UP_MS, error: lostAnswer(operation) }
    if (this.cutOff.has(process) || this.isDown || this.isDeafTo(request)) {
      return { ...lost, effectAfterMs: null }
    }
    // A client gives up on what takes too long, and what it gave up on may still happen.
    const usual = answerAfterMs < GIVE_UP_MS ? normal : lost
    const heardAfterMs = Math.min(answerAfterMs, GIVE_UP_MS)
    const refused = { ...normal, effectAfterMs: null, answerAfterMs: heardAfterMs }
    const lateMs = between(random, 0, LATE_MS_MAX)
    switch (this.drawFault(operation)) {
      case 'failing': {
        const error = chance(random, 500) ? 'unavailable' : 'throttled'
        return { ...refused, error }
      }
      case 'conflicting':
        return { ...refused, error: 'conflict' }
      case 'dropping':
        return { ...lost, effectAfterMs: null }
      case 'losing':
        return lost
      case 'delaying':
        return { ...lost, effectAfterMs: lateMs, landsAfterCrash: true }
      case 'doubling':
        return { ...usual, againAfterMs: lateMs }
      case null:
        return usual
    }
  }

  /** Which fault a request meets; reads neither conflict nor come late. */
  private drawFault(operation: StoreRequest['operation']): FaultName | null {
    const names = operation === 'put' ? PUT_FAULTS : operation === 'delete' ? WRITE_FAULTS : FAULTS
    let draw = this.random.below(1_000)
    for (const name of names) {
      draw -= this.faults[name]
      if (draw < 0) return name
    }
    return null
  }

  private isDeafTo({ process, operation, key }: StoreRequest): boolean {
    return operation !== 'put' && this.deaf.has(process) && key.startsWith('meta/')
  }
}
