import type { BufferPool, SharedBytes } from '../../base/buffer-pool.ts'

/** What one read brings at most, and what memory a client gets on its word alone. */
const READ_BYTES = 32 * 1024
/** One for all connections: what is read into it is consumed in the same synchronous step. */
const scratch = Buffer.allocUnsafeSlow(READ_BYTES)
const SIZE_BYTES = 4
/** Frames up to this size have their memory at once, from clients that have sent such ones before. */
const TRUSTED_BYTES_MAX = 2 * 1024 * 1024
/** Memory for larger ones is taken in pieces, no larger than this. */
const PIECE_BYTES_MAX = 1024 * 1024

/**
 * Cuts a connection's bytes into frames (a four-byte size, then so many bytes). What a size claims
 * is given for as much as the client has sent at once before; beyond that memory grows with what
 * arrives, in pieces that are put together in the end. So the frames of a client at work are read
 * by the kernel straight into the memory that they keep, but for what came together with their
 * size, and a claim costs nothing. Idle connections hold no buffer of their own.
 */
export class FrameReader {
  private readonly options: {
    readonly pool: BufferPool
    readonly frameBytesMax: number
    /** A frame has begun, with memory of so many bytes. */
    readonly onBegin?: (bytes: number) => void
    /** It has taken more. */
    readonly onGrown?: (bytes: number) => void
    /** The frame is whole, or dropped, after it had taken so much more. */
    readonly onEnd?: (grownBytes: number) => void
    /** A frame was dropped before it was whole, and with it so many bytes in all. */
    readonly onDropped?: (bytes: number) => void
    /** Whether a frame that begins, or that grows, is to have no more than what is here needs. */
    readonly isShort?: (isGrown: boolean) => boolean
    /** Takes the frame over, with its one owner. */
    readonly onFrame: (frame: SharedBytes) => void
    readonly onTooLarge: (sizeBytes: number) => void
  }
  private size = 0
  private sizeFilled = 0
  /** The frame's memory that is filled next, or all of it. */
  private piece: SharedBytes | null = null
  private filled = 0
  /** The pieces before it, which are full. */
  private fullPieces: SharedBytes[] = []
  /** Bytes of the first piece, and of all. */
  private beginBytes = 0
  private takenBytes = 0
  private trustedBytes = READ_BYTES
  private closed = false

  constructor(options: FrameReader['options']) {
    this.options = options
  }

  /** Where the next bytes are to be put. */
  nextBuffer(): Buffer {
    const { piece } = this
    if (piece === null || this.isOutOfMemory) return scratch
    return this.filled === 0 ? piece.buffer : piece.buffer.subarray(this.filled)
  }

  /** `count` bytes were put into the buffer that {@link nextBuffer} gave. */
  received(count: number): void {
    if (this.piece === null || this.isOutOfMemory) this.feed(scratch.subarray(0, count))
    else {
      this.filled += count
      this.finishIfFull()
    }
  }

  /** Takes bytes from a buffer of somebody else's, which is free again afterwards. */
  feed(chunk: Buffer): void {
    let position = 0
    while (position < chunk.length && !this.closed) {
      if (this.piece === null) {
        this.size = (this.size << 8) | (chunk[position] as number)
        this.sizeFilled++
        position++
        if (this.sizeFilled === SIZE_BYTES) this.begin()
      } else {
        const piece = this.isOutOfMemory ? this.grow(this.piece) : this.piece
        const taken = Math.min(piece.buffer.length - this.filled, chunk.length - position)
        chunk.copy(piece.buffer, this.filled, position, position + taken)
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
    const isShort = this.options.isShort?.(false) ?? false
    const bytes = Math.min(sizeBytes, isShort ? READ_BYTES : this.trustedBytes)
    this.takenBytes = 0
    this.beginBytes = bytes
    this.take(bytes)
    this.options.onBegin?.(bytes)
  }

  /** The next piece of the frame. */
  private grow(full: SharedBytes): SharedBytes {
    this.fullPieces.push(full)
    const isShort = this.options.isShort?.(true) ?? false
    const bytes = isShort ? READ_BYTES : Math.min(this.takenBytes, PIECE_BYTES_MAX)
    const piece = this.take(Math.min(bytes, this.size - this.takenBytes))
    this.options.onGrown?.(piece.buffer.length)
    return piece
  }

  private take(bytes: number): SharedBytes {
    const piece = this.options.pool.take(bytes)
    this.piece = piece
    this.filled = 0
    this.takenBytes += bytes
    return piece
  }

  /** Whether a part of a frame is here, and memory for it. */
  get isWithinFrame(): boolean {
    return this.piece !== null
  }

  /** Whether the frame that has begun has, or needs, more memory than its client is trusted with. */
  get isGrowing(): boolean {
    return this.fullPieces.length > 0 || this.isOutOfMemory
  }

  /** Whether the frame that has begun takes more memory with the next byte. */
  get isOutOfMemory(): boolean {
    const { piece } = this
    return piece !== null && this.filled === piece.buffer.length
  }

  private finishIfFull(): void {
    const { piece } = this
    if (piece === null || this.filled < piece.buffer.length || this.takenBytes < this.size) return
    this.piece = null
    if (this.size > this.trustedBytes) {
      this.trustedBytes = Math.min(TRUSTED_BYTES_MAX, 2 * this.size)
    }
    const whole = this.fullPieces.length === 0 ? piece : this.joined(piece)
    this.options.onEnd?.(this.takenBytes - this.beginBytes)
    this.options.onFrame(whole)
  }

  /** The whole frame, for the pieces it came in. */
  private joined(last: SharedBytes): SharedBytes {
    const whole = this.options.pool.take(this.takenBytes)
    let position = 0
    for (const piece of [...this.fullPieces, last]) {
      position += piece.buffer.copy(whole.buffer, position)
      piece.release()
    }
    this.fullPieces = []
    return whole
  }

  /** The connection is gone; an unfinished frame is dropped. */
  close(): void {
    this.closed = true
    const { piece } = this
    if (piece === null) return
    this.piece = null
    this.options.onDropped?.(this.takenBytes)
    this.options.onEnd?.(this.takenBytes - this.beginBytes)
    for (const each of [...this.fullPieces, piece]) each.release()
    this.fullPieces = []
  }
}
