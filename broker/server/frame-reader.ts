import type { BufferPool, SharedBytes } from '../../base/buffer-pool.ts'

/** One for all connections: what is read into it is consumed in the same synchronous step. */
const scratch = Buffer.allocUnsafeSlow(32 * 1024)
const SIZE_BYTES = 4

/**
 * Cuts a connection's bytes into frames (a four-byte size, then so many bytes). A large frame's
 * rest is read by the kernel straight into the memory that the frame keeps; only what came together
 * with its size is copied. Idle connections hold no buffer of their own.
 */
export class FrameReader {
  private readonly options: {
    readonly pool: BufferPool
    readonly frameBytesMax: number
    /** Memory of so many bytes was taken for a frame. */
    readonly onBegin?: (sizeBytes: number) => void
    /** A frame was dropped before it was whole. */
    readonly onDropped?: (sizeBytes: number) => void
    /** Takes the frame over, with its one owner. */
    readonly onFrame: (frame: SharedBytes) => void
    readonly onTooLarge: (sizeBytes: number) => void
  }
  private size = 0
  private sizeFilled = 0
  private frame: SharedBytes | null = null
  private filled = 0
  private closed = false

  constructor(options: FrameReader['options']) {
    this.options = options
  }

  /** Where the next bytes are to be put. */
  nextBuffer(): Buffer {
    return this.frame === null ? scratch : this.frame.buffer.subarray(this.filled)
  }

  /** `count` bytes were put into the buffer that {@link nextBuffer} gave. */
  received(count: number): void {
    if (this.frame === null) this.feed(scratch.subarray(0, count))
    else {
      this.filled += count
      this.finishIfFull()
    }
  }

  /** Takes bytes from a buffer of somebody else's, which is free again afterwards. */
  feed(chunk: Buffer): void {
    let position = 0
    while (position < chunk.length && !this.closed) {
      if (this.frame === null) {
        this.size = (this.size << 8) | (chunk[position] as number)
        this.sizeFilled++
        position++
        if (this.sizeFilled === SIZE_BYTES) this.begin()
      } else {
        const taken = Math.min(this.frame.buffer.length - this.filled, chunk.length - position)
        chunk.copy(this.frame.buffer, this.filled, position, position + taken)
        this.filled += taken
        position += taken
        this.finishIfFull()
      }
    }
  }

  private begin(): void {
    this.sizeFilled = 0
    const sizeBytes = this.size
    if (sizeBytes < 8 || sizeBytes > this.options.frameBytesMax) {
      this.closed = true
      this.options.onTooLarge(sizeBytes)
      return
    }
    this.frame = this.options.pool.take(sizeBytes)
    this.filled = 0
    this.options.onBegin?.(sizeBytes)
  }

  /** Whether a part of a frame is here, and memory for all of it. */
  get isWithinFrame(): boolean {
    return this.frame !== null
  }

  private finishIfFull(): void {
    const { frame } = this
    if (frame === null || this.filled < frame.buffer.length) return
    this.frame = null
    this.options.onFrame(frame)
  }

  /** The connection is gone; an unfinished frame is dropped. */
  close(): void {
    this.closed = true
    const { frame } = this
    if (frame === null) return
    this.frame = null
    this.options.onDropped?.(frame.buffer.length)
    frame.release()
  }
}
