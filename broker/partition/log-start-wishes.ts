/** Told once: whether the log start is raised for good; false: this node is not the owner any more. */
export type LogStartWaiter = (isDone: boolean) => void

/** Wishes to delete a partition's oldest records, from being uttered to being durable. */
export class LogStartWishes {
  private wanted = 0
  private cutOffset = 0
  private waiting: { readonly offset: number; readonly waiter: LogStartWaiter }[] = []

  /** The log start by the last object that was cut, durable or not; 0 when none was. */
  get lastCut(): number {
    return this.cutOffset
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  /** Takes a wish. Returns whether something is to be written for it. */
  add(offset: number, waiter: LogStartWaiter): boolean {
    this.waiting.push({ offset, waiter })
    if (offset <= this.wanted) return false
    this.wanted = offset
    return true
  }

  /** What the object that is being cut must say, or null. */
  cut(): number | null {
    if (this.wanted <= this.cutOffset) return null
    this.cutOffset = this.wanted
    return this.wanted
  }

  /** Answers all that wanted no more than `offset`. */
  durable(offset: number): void {
    const done = this.waiting.filter((each) => each.offset <= offset)
    this.waiting = this.waiting.filter((each) => each.offset > offset)
    for (const { waiter } of done) waiter(true)
  }

  abandon(): void {
    const { waiting } = this
    this.waiting = []
    for (const { waiter } of waiting) waiter(false)
  }
}
