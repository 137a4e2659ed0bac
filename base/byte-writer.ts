import { assert } from './assert.ts'

/** A growing buffer with the few encodings that our own formats use (docs/bucket-format.md). */
export class ByteWriter {
  private buffer: Buffer
  length = 0

  constructor(initialBytes = 1024) {
    this.buffer = Buffer.allocUnsafe(initialBytes)
  }

  private reserve(bytes: number): number {
    const position = this.length
    if (position + bytes > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, position + bytes))
      this.buffer.copy(grown, 0, 0, position)
      this.buffer = grown
    }
    this.length = position + bytes
    return position
  }

  uint8(value: number): void {
    const position = this.reserve(1)
    this.buffer[position] = value
  }

  int32(value: number): void {
    const position = this.reserve(4)
    this.buffer.writeInt32BE(value, position)
  }

  uint32(value: number): void {
    const position = this.reserve(4)
    this.buffer.writeUInt32BE(value, position)
  }

  /** A safe integer that is not negative, in eight bytes. */
  uint64(value: number): void {
    this.uint32(Math.floor(value / 0x1_0000_0000))
    this.uint32(value % 0x1_0000_0000)
  }

  /**
   * Any integer from -(2^53) to 2^53: zigzag, then seven bits a byte, low bits first. The sign never
   * meets the other bits in one number, which would have 54 bits then: more than a number holds.
   */
  varint(value: number): void {
    const magnitude = value < 0 ? -(value + 1) : value
    const low = (magnitude % 0x40) * 2 + (value < 0 ? 1 : 0)
    let rest = Math.floor(magnitude / 0x40)
    if (rest === 0) {
      this.uint8(low)
      return
    }
    this.uint8(low + 0x80)
    while (rest >= 0x80) {
      this.uint8((rest % 0x80) + 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.uint8(rest)
  }

  /** A 16-byte UUID given in its 22-character base64url form. */
  uuid(value: string): void {
    const position = this.reserve(16)
    const written = this.buffer.write(value, position, 16, 'base64url')
    assert(written === 16, `'${value}' is no UUID`)
  }

  bytes(value: Uint8Array): void {
    const position = this.reserve(value.length)
    this.buffer.set(value, position)
  }

  /** Overwrites four bytes written before, for lengths known only afterwards. */
  setUint32(position: number, value: number): void {
    this.buffer.writeUInt32BE(value, position)
  }

  /** What was written, without a copy; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.length)
  }
}

/** Reads what {@link ByteWriter} wrote. Running over the end throws a RangeError. */
export class ByteReader {
  private readonly buffer: Buffer
  position: number

  constructor(buffer: Buffer, position = 0) {
    this.buffer = buffer
    this.position = position
  }

  get remaining(): number {
    return this.buffer.length - this.position
  }

  private advance(bytes: number): number {
    const position = this.position
    const isInside = bytes >= 0 && position + bytes <= this.buffer.length
    if (!isInside) throw new RangeError('the bytes end too early')
    this.position = position + bytes
    return position
  }

  uint8(): number {
    return this.buffer[this.advance(1)] as number
  }

  int32(): number {
    return this.buffer.readInt32BE(this.advance(4))
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.advance(4))
  }

  uint64(): number {
    return this.uint32() * 0x1_0000_0000 + this.uint32()
  }

  varint(): number {
    const first = this.uint8()
    let magnitude = (first & 0x7f) >>> 1
    let factor = 0x40
    for (let byte = first; byte >= 0x80; factor *= 0x80) {
      if (factor > 2 ** 48) throw new RangeError('a number is too long')
      byte = this.uint8()
      magnitude += (byte & 0x7f) * factor
    }
    if (magnitude > 2 ** 53) throw new RangeError('a number is too large')
    return first % 2 === 1 ? -magnitude - 1 : magnitude
  }

  uuid(): string {
    const position = this.advance(16)
    return this.buffer.toString('base64url', position, position + 16)
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const position = this.advance(length)
    return this.buffer.subarray(position, position + length)
  }
}
