import type { Clock, Timer } from '../base/clock.ts'
import type { World } from './world.ts'

/** How a process's clocks differ from the true time. */
export interface ClockFaults {
  /** Milliseconds of its own that pass per true millisecond. */
  readonly rate: number
  readonly wallOffsetMs: number
}

/**
 * A process of the simulated cluster. Everything that reaches the code in it (timers, answers,
 * messages) goes through {@link SimulatedProcess.deliver}: nothing does after a crash, and what
 * comes during a pause comes late and all at once.
 */
export class SimulatedProcess {
  readonly name: string
  readonly clock: Clock
  isAlive = true
  isPaused = false
  /** A jump of the wall clock changes it; time-outs must not notice. */
  wallOffsetMs: number
  private held: (() => void)[] = []
  private readonly world: World

  constructor(world: World, name: string, faults: ClockFaults) {
    this.world = world
    this.name = name
    this.wallOffsetMs = faults.wallOffsetMs
    const { clock } = world
    const { rate } = faults
    this.clock = {
      nowMs: () => clock.nowMs() * rate,
      wallMs: () => Math.round(clock.wallMs() + this.wallOffsetMs),
      // In whole milliseconds and one at least, as Node's timers are.
      after: (delayMs, callback) => this.after(Math.max(1, Math.trunc(delayMs)) / rate, callback),
    }
  }

  private after(trueDelayMs: number, callback: () => void): Timer {
    let isPending = true
    const fire = (): void => {
      if (!isPending) return
      isPending = false
      callback()
    }
    const timer = this.world.clock.after(trueDelayMs, () => {
      if (isPending) this.deliver(fire)
    })
    return {
      cancel() {
        isPending = false
        timer.cancel()
      },
    }
  }

  /** Runs `callback` in the process: now, after a pause, or never. */
  deliver(callback: () => void): void {
    if (!this.isAlive) return
    if (this.isPaused) this.held.push(callback)
    else callback()
  }

  /** Ends the process without a word: kill -9. */
  kill(): void {
    this.isAlive = false
    this.held = []
  }

  pause(): void {
    this.isPaused = true
  }

  /** Everything held comes now, each as an event of its own, in the order in which it was due. */
  resume(): void {
    this.isPaused = false
    const { held } = this
    this.held = []
    for (const callback of held) this.world.clock.after(0, () => this.deliver(callback))
  }
}
