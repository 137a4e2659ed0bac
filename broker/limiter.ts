interface Waiting {
  readonly weight: number
  readonly start: () => void
}

/** Lets so much run at once; the others wait for their turn, in order. */
export class Limiter {
  private running = 0
  private readonly waiting: Waiting[] = []
  private readonly weightMax: number

  /** `weightMax`: of all that runs at once; tasks weigh 1 unless they say otherwise. */
  constructor(weightMax: number) {
    this.weightMax = weightMax
  }

  /** Runs `task` when there is room. Settles as it does. What weighs more than may run, runs alone. */
  async run<T>(task: () => Promise<T>, weight = 1): Promise<T> {
    const taken = Math.min(weight, this.weightMax)
    // Nobody passes those who wait, however little he weighs: what is heavy would wait for ever.
    if (this.waiting.length === 0 && this.running + taken <= this.weightMax) this.running += taken
    else await new Promise<void>((start) => this.waiting.push({ weight: taken, start }))
    try {
      return await task()
    } finally {
      this.running -= taken
      this.startNext()
    }
  }

  private startNext(): void {
    for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
      if (this.running + next.weight > this.weightMax) return
      this.waiting.shift()
      // Taken for it now, so that nobody who comes before it runs gets in between.
      this.running += next.weight
      next.start()
    }
  }
}
