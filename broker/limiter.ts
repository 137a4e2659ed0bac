/** Lets a bounded number of things run at once; the others wait for their turn, in order. */
export class Limiter {
  private running = 0
  private readonly waiting: (() => void)[] = []
  private readonly runningMax: number

  constructor(runningMax: number) {
    this.runningMax = runningMax
  }

  /** Runs `task` when there is room. Settles as it does. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.running < this.runningMax) this.running++
    // Who ends hands its place on, so that nobody who comes later gets in between.
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
