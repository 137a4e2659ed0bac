import { setImmediate } from 'node:timers'
import { assert } from '../assert.ts'
import type { Clock, Timer } from '../clock.ts'

interface PendingTimer {
  readonly atMs: number
  /** Orders timers of the same moment by their insertion. */
  readonly order: number
  callback: (() => void) | null
}

/** A clock that only moves when told to; for tests and the simulator. */
export interface VirtualClock extends Clock {
  /** Timers that wait, cancelled ones not counted. */
  readonly pendingCount: number
  /**
   * Moves to `targetMs` and runs the timers due until then, in order of time, then of insertion.
   * Before, between and after them everything that needs no timer runs to its end.
   */
  advanceTo(targetMs: number): Promise<void>
  /** {@link advanceTo}, relative to now. */
  advanceBy(deltaMs: number): Promise<void>
  /** Runs timers until none waits (true), or until the next one is later than `limitMs` (false). */
  runUntilIdle(limitMs?: number): Promise<boolean>
  /**
   * Runs timers until `promise` is settled, and returns its outcome. Throws when no timer is left,
   * or the next one is later than `limitMs`: then it would wait for ever.
   */
  run<T>(promise: Promise<T>, limitMs?: number): Promise<T>
}

/** Lets every promise that is ready go as far as it can without a timer. */
export function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function isBefore(a: PendingTimer, b: PendingTimer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** A binary heap: a simulation of thousands of nodes has as many timers. */
class TimerHeap {
  private readonly items: PendingTimer[] = []

  push(timer: PendingTimer): void {
    const { items } = this
    let index = items.push(timer) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, items[parent] as PendingTimer)) break
      items[index] = items[parent] as PendingTimer
      index = parent
    }
    items[index] = timer
  }

  /** The earliest timer that is not cancelled. */
  peek(): PendingTimer | undefined {
    while (this.items[0]?.callback === null) this.pop()
    return this.items[0]
  }

  pop(): void {
    const { items } = this
    const last = items.pop()
    if (last === undefined || items.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= items.length) break
      const right = items[child + 1]
      if (right && isBefore(right, items[child] as PendingTimer)) child++
      if (!isBefore(items[child] as PendingTimer, last)) break
      items[index] = items[child] as PendingTimer
      index = child
    }
    items[index] = last
  }
}

/** The present moment, and the timers that wait for a later one. */
class Timeline {
  nowMs: number
  pendingCount = 0
  private readonly timers = new TimerHeap()
  private inserted = 0

  constructor(startMs: number) {
    this.nowMs = startMs
  }

  get isIdle(): boolean {
    return this.timers.peek() === undefined
  }

  after(delayMs: number, callback: () => void): Timer {
    assert(!Number.isNaN(delayMs), 'a delay is a number')
    const atMs = this.nowMs + Math.max(0, delayMs)
    const timer: PendingTimer = { atMs, order: this.inserted++, callback }
    this.timers.push(timer)
    this.pendingCount++
    return {
      cancel: () => {
        if (timer.callback !== null) this.pendingCount--
        timer.callback = null
      },
    }
  }

  /** Runs the next timer, if it is due until `limitMs`. */
  step(limitMs: number): boolean {
    const timer = this.timers.peek()
    if (timer === undefined || timer.atMs > limitMs) return false
    this.timers.pop()
    const { callback } = timer
    timer.callback = null
    this.pendingCount--
    this.nowMs = timer.atMs
    callback?.()
    return true
  }

  async runTimers(limitMs: number): Promise<void> {
    do await drainMicrotasks()
    while (this.step(limitMs))
  }

  async run<T>(promise: Promise<T>, limitMs: number): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await drainMicrotasks()
    while (!isSettled) {
      if (!this.step(limitMs)) throw new Error(`nothing left to wait for at ${this.nowMs} ms`)
      await drainMicrotasks()
    }
    return promise
  }
}

/** A {@link VirtualClock} that stands at `startMs`, which is `wallStartMs` since 1970. */
export function virtualClock(
  options: { startMs?: number; wallStartMs?: number } = {},
): VirtualClock {
  const startMs = options.startMs ?? 0
  const wallStartMs = options.wallStartMs ?? 1_700_000_000_000
  const timeline = new Timeline(startMs)

  async function advanceTo(targetMs: number): Promise<void> {
    assert(targetMs >= timeline.nowMs, 'time does not run backwards')
    await timeline.runTimers(targetMs)
    timeline.nowMs = targetMs
  }

  return {
    nowMs: () => timeline.nowMs,
    wallMs: () => wallStartMs + timeline.nowMs - startMs,
    after: (delayMs, callback) => timeline.after(delayMs, callback),
    get pendingCount() {
      return timeline.pendingCount
    },
    advanceTo,
    advanceBy: (deltaMs) => advanceTo(timeline.nowMs + deltaMs),
    async runUntilIdle(limitMs = Number.POSITIVE_INFINITY) {
      await timeline.runTimers(limitMs)
      return timeline.isIdle
    },
    run: (promise, limitMs = Number.POSITIVE_INFINITY) => timeline.run(promise, limitMs),
  }
}
