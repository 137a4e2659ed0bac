/** Below this share of the bound there is room again: not at every byte around it. */
const ROOM_RATIO = 0.75

/**
 * Bytes that many share under one bound. Taking is never refused: whoever takes is asked to stop
 * once the bound is passed, and told when there is room again.
 */
export class ByteBound {
  bytes = 0
  isOver = false
  private readonly bytesMax: () => number
  private readonly onChange: (isOver: boolean) => void

  /** `onChange` is told when the bound is passed, and when there is room again. */
  constructor(bytesMax: () => number, onChange: (isOver: boolean) => void) {
    this.bytesMax = bytesMax
    this.onChange = onChange
  }

  take(bytes: number): void {
    this.bytes += bytes
    if (this.isOver || this.bytes <= this.bytesMax()) return
    this.isOver = true
    this.onChange(true)
  }

  give(bytes: number): void {
    this.bytes -= bytes
    if (!this.isOver || this.bytes > this.bytesMax() * ROOM_RATIO) return
    this.isOver = false
    this.onChange(false)
  }
}
