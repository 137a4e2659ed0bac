/** Starts things strictly one after the other; synchronously for as long as none has to wait. */
export class OrderGate {
  private isBusy = false
  private readonly waiting: ((done: () => void) => void)[] = []

  /** Runs `start` once all before it have called their `done`. */
  run(start: (done: () => void) => void): void {
    if (this.isBusy) this.waiting.push(start)
    else this.begin(start)
  }

  private begin(start: (done: () => void) => void): void {
    this.isBusy = true
    start(() => {
      this.isBusy = false
      const next = this.waiting.shift()
      if (next !== undefined) this.begin(next)
    })
  }
}
