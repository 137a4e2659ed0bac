import { ByteBound } from './byte-bound.ts'

/** A connection with a frame that it cannot go on with for want of memory. */
export interface Waiting {
  /** It may have memory now. */
  goOn(): void
}

/** Of the bound, what frames may have that are larger than their clients are trusted with. */
const GROWN_SHARE = 0.25

/**
 * Bytes of requests over all connections: of frames as far as they have memory, and of requests
 * until nobody needs them. What frames have beyond what their clients are trusted with is bounded
 * more tightly, so that many of them that are never finished keep nobody else out. Over that bound
 * they get no more memory, but for one: were it full of halves, none would ever be whole.
 */
export class RequestBudget {
  private readonly all: ByteBound
  private readonly grown: ByteBound
  private first: Waiting | null = null
  private readonly waiting = new Set<Waiting>()

  /** `onChange` is told when the bound is passed, and when there is room again. */
  constructor(bytesMax: () => number, onChange: (isOver: boolean) => void) {
    this.all = new ByteBound(bytesMax, (isOver) => {
      onChange(isOver)
      if (!isOver) this.goOn()
    })
    this.grown = new ByteBound(
      () => bytesMax() * GROWN_SHARE,
      (isOver) => {
        if (!isOver) this.goOn()
      },
    )
  }

  get bytes(): number {
    return this.all.bytes
  }

  /** Whether no request is to be begun. */
  get isOver(): boolean {
    return this.all.isOver
  }

  /** Whether frames are held up that need more memory than their clients are trusted with. */
  get isGrownOver(): boolean {
    return this.grown.isOver
  }

  take(bytes: number): void {
    this.all.take(bytes)
  }

  give(bytes: number): void {
    this.all.give(bytes)
  }

  /** More memory for a frame that has some; it counts as such until {@link frameEnded}. */
  grow(bytes: number): void {
    this.grown.take(bytes)
    this.all.take(bytes)
  }

  /** Whether it may have more memory for the frame it has begun. If not, it is told when it may. */
  mayGrow(connection: Waiting): boolean {
    if (!this.isShortFor(connection)) return true
    if (this.first === null) {
      this.first = connection
      return true
    }
    this.waiting.add(connection)
    return false
  }

  /** Whether its frame is not to have more memory than it cannot do without. */
  isShortFor(connection: Waiting): boolean {
    return (this.isOver || this.isGrownOver) && this.first !== connection
  }

  /** Its frame, which had grown by so much, is whole or dropped: the next one has its turn. */
  frameEnded(connection: Waiting, grownBytes: number): void {
    this.waiting.delete(connection)
    if (grownBytes > 0) this.grown.give(grownBytes)
    if (this.first !== connection) return
    const [next = null] = this.waiting
    this.first = next
    if (next === null) return
    this.waiting.delete(next)
    next.goOn()
  }

  private goOn(): void {
    if (this.isOver || this.isGrownOver) return
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const each of waiting) each.goOn()
  }
}
