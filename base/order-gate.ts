import { assert } from './assert.ts'

/** How many of those that had their turn are dropped together. */
const TRIM_AT = 1024

/** Starts things strictly one after the other; synchronously for as long as none has to wait. */
export class OrderGate {
  private isBusy = false
  private isPumping = false
  private waiting: (((done: () => void) => void) | null)[] = []
  private head = 0

  /** Runs `start` once all before it have called their `done`, which each does once. */
  run(start: (done: () => void) => void): void {
    this.waiting.push(start)
    this.pump()
  }

  /** A loop, no recursion: a client may have sent thousands, each of them done at once. */
  private pump(): void {
    if (this.isPumping) return
    this.isPumping = true
    while (!this.isBusy) {
      const start = this.next()
      if (start === null) break
      this.isBusy = true
      let isDone = false
      start(() => {
        assert(!isDone, 'what goes through a gate is done once')
        isDone = true
        this.isBusy = false
        this.pump()
      })
    }
    this.isPumping = false
  }

  /** Not shift(): it moves all that is left in a long array. */
  private next(): ((done: () => void) => void) | null {
    const start = this.waiting[this.head] ?? null
    this.waiting[this.head++] = null
    if (start === null || this.head >= TRIM_AT) {
      this.waiting = this.waiting.slice(this.head)
      this.head = 0
    }
    return start
  }
}
