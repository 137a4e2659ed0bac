import { assert } from '../../base/assert.ts'
import type { Pieces } from './schema.ts'

/** Bytes in pieces, ready for one writev. */
export interface Encoded {
  readonly chunks: readonly Uint8Array[]
  readonly totalBytes: number
}

const FIRST_BUFFER_BYTES = 1024
const BUFFER_BYTES_MAX = 65_536
/** Smaller pieces are copied: a chunk of its own costs more in writev than the copy. */
const COPY_BYTES_MAX = 256
const STRING_BYTES_MAX = 0x7fff
const ASCII_LOOP_MAX = 64
const TWO_POW_32 = 0x1_0000_0000

/** Bytes of `value` as an unsigned varint. */
function uvarintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  let length = 4
  for (let rest = value / 0x1000_0000; rest >= 1; rest /= 0x80) length++
  return length
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

/** Bytes of `value` as a signed varint. */
export function varlongBytes(value: number): number {
  return uvarintBytes(zigzag(value))
}

/**
 * Writes Kafka's primitive types. A full buffer is not copied into a larger one: it becomes a
 * chunk, and a new one is begun; larger pieces of bytes become chunks as they are. Values come
 * from us, so those that do not fit their type are broken invariants.
 */
export class Writer {
  private buffer: Buffer
  private position = 0
  private chunkStart = 0
  private readonly chunks: Uint8Array[] = []
  private finishedBytes = 0

  constructor(firstBufferBytes = FIRST_BUFFER_BYTES) {
    this.buffer = Buffer.allocUnsafe(firstBufferBytes)
  }

  /** Bytes written so far. */
  get totalBytes(): number {
    return this.finishedBytes + this.position - this.chunkStart
  }

  /** Makes room for `length` bytes in one buffer, moves on and returns where they begin. */
  private claim(length: number): number {
    if (length > this.buffer.length - this.position) this.beginBuffer(length)
    const position = this.position
    this.position = position + length
    return position
  }

  private beginBuffer(bytesMin: number): void {
    this.endChunk()
    const doubled = Math.min(this.buffer.length * 2, BUFFER_BYTES_MAX)
    this.buffer = Buffer.allocUnsafe(Math.max(doubled, bytesMin))
    this.position = 0
    this.chunkStart = 0
  }

  private endChunk(): void {
    if (this.position === this.chunkStart) return
    this.chunks.push(this.buffer.subarray(this.chunkStart, this.position))
    this.finishedBytes += this.position - this.chunkStart
    this.chunkStart = this.position
  }

  /**
   * Ends the writing. With `sizePrefix`, the first 4 bytes (which must have been reserved by an
   * int32) receive the count of the bytes that follow them.
   */
  finish(options?: { readonly sizePrefix: boolean }): Encoded {
    this.endChunk()
    if (options?.sizePrefix) {
      const first = this.chunks[0] as Buffer
      first.writeInt32BE(this.finishedBytes - 4, 0)
    }
    return { chunks: this.chunks, totalBytes: this.finishedBytes }
  }

  bool(value: boolean): void {
    const position = this.claim(1)
    this.buffer[position] = value ? 1 : 0
  }

  int8(value: number): void {
    assert((value << 24) >> 24 === value, 'an int8 is in range')
    const position = this.claim(1)
    this.buffer[position] = value
  }

  int16(value: number): void {
    assert((value << 16) >> 16 === value, 'an int16 is in range')
    this.word16(value)
  }

  uint16(value: number): void {
    assert((value & 0xffff) === value, 'a uint16 is in range')
    this.word16(value)
  }

  private word16(value: number): void {
    const position = this.claim(2)
    const buffer = this.buffer
    buffer[position] = value >> 8
    buffer[position + 1] = value
  }

  int32(value: number): void {
    assert((value | 0) === value, 'an int32 is in range')
    this.word32(value)
  }

  private word32(value: number): void {
    const position = this.claim(4)
    const buffer = this.buffer
    buffer[position] = value >> 24
    buffer[position + 1] = value >> 16
    buffer[position + 2] = value >> 8
    buffer[position + 3] = value
  }

  int64(value: number): void {
    assert(Number.isSafeInteger(value), 'an int64 is a safe integer')
    const high = Math.floor(value / TWO_POW_32)
    this.word32(high)
    this.word32((value - high * TWO_POW_32) | 0)
  }

  /** Like {@link int64}, with `Infinity` as 2^63-1. */
  int64OrMax(value: number): void {
    if (value === Number.POSITIVE_INFINITY) {
      this.word32(0x7fff_ffff)
      this.word32(-1)
    } else {
      this.int64(value)
    }
  }

  float64(value: number): void {
    const position = this.claim(8)
    this.buffer.writeDoubleBE(value, position)
  }

  uuid(value: string): void {
    assert(value.length === 22, 'a UUID has 22 characters')
    const position = this.claim(16)
    const written = this.buffer.write(value, position, 16, 'base64url')
    assert(written === 16, 'a UUID is base64url')
  }

  uvarint(value: number): void {
    const length = uvarintBytes(value)
    let position = this.claim(length)
    const buffer = this.buffer
    for (let rest = value; ; rest = Math.floor(rest / 0x80)) {
      if (rest < 0x80) {
        buffer[position] = rest
        return
      }
      buffer[position++] = (rest & 0x7f) | 0x80
    }
  }

  /** A signed (zigzag) varint, as records have them. */
  varlong(value: number): void {
    assert(Math.abs(value) < 2 ** 52, 'a varint and its sign fit in 53 bits')
    this.uvarint(zigzag(value))
  }

  /** A string after its length: as an int16, or as a compact length. */
  string(value: string, compact: boolean): void {
    if (value.length <= ASCII_LOOP_MAX && this.shortAscii(value, compact)) return
    const length = Buffer.byteLength(value)
    assert(length <= STRING_BYTES_MAX, 'a string has at most 32,767 bytes')
    if (compact) this.uvarint(length + 1)
    else this.word16(length)
    const position = this.claim(length)
    this.buffer.write(value, position, length, 'utf8')
  }

  /** Writes the string if it is ASCII. For short ones a loop is faster than two native calls. */
  private shortAscii(value: string, compact: boolean): boolean {
    const length = value.length
    const start = this.claim(length + (compact ? 1 : 2))
    const buffer = this.buffer
    let position = start
    if (compact) {
      buffer[position++] = length + 1
    } else {
      buffer[position++] = 0
      buffer[position++] = length
    }
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index)
      if (code >= 0x80) {
        this.position = start
        return false
      }
      buffer[position++] = code
    }
    return true
  }

  /** Bytes after their length: as an int32, or as a compact length. Larger pieces are kept. */
  bytes(value: Pieces, compact: boolean): void {
    const length = value instanceof Uint8Array ? value.length : piecesBytes(value)
    if (compact) this.uvarint(length + 1)
    else this.int32(length)
    if (value instanceof Uint8Array) this.raw(value)
    else for (const piece of value) this.raw(piece)
  }

  /** Bytes without a length. */
  raw(piece: Uint8Array): void {
    const length = piece.length
    if (length > COPY_BYTES_MAX) {
      this.endChunk()
      this.chunks.push(piece)
      this.finishedBytes += length
      return
    }
    const position = this.claim(length)
    this.buffer.set(piece, position)
  }
}

function piecesBytes(pieces: readonly Uint8Array[]): number {
  let total = 0
  for (const piece of pieces) total += piece.length
  return total
}
