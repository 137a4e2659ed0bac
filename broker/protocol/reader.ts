import { assert } from '../../base/assert.ts'

/**
 * A peer's bytes are not what the protocol says. `path` names the field, such as
 * `topicData[3].partitionData[0].records`; it grows from the inside while the error travels up.
 */
export class DecodeError extends Error {
  override name = 'DecodeError'
  path = ''
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }

  /** Puts a field's name (or `[index]`) before the path. */
  within(segment: string): this {
    const separator = this.path === '' || this.path.startsWith('[') ? '' : '.'
    this.path = segment + separator + this.path
    this.message = `${this.path}: ${this.reason}`
    return this
  }
}

/**
 * Array elements that one message may have altogether. The smallest element takes 1 byte on the
 * wire and some 50 in memory, so without this bound a 100 MiB frame could ask for gigabytes.
 */
export const ELEMENTS_MAX = 1_048_576

/** Kafka's own limit for strings, in bytes, in compact form too. */
const STRING_BYTES_MAX = 0x7fff
const TWO_POW_32 = 0x1_0000_0000
const HIGH_WORD_MAX = 0x1f_ffff
const VARINT_BYTES_MAX = 5
const VARLONG_BYTES_MAX = 10
const EMPTY = Buffer.alloc(0)

/**
 * Reads Kafka's primitive types off a buffer, never beyond `end`. Everything that is wrong with
 * the bytes throws {@link DecodeError}, before anything is allocated for it.
 */
export class Reader {
  readonly buffer: Buffer
  position: number
  end: number
  elementsLeft: number

  /** Reads `buffer` from `position` up to `end` (default: all of it). */
  constructor(buffer: Buffer, position = 0, end = buffer.length, elementsMax = ELEMENTS_MAX) {
    assert(position >= 0 && position <= end && end <= buffer.length, 'a reader stays in its buffer')
    this.buffer = buffer
    this.position = position
    this.end = end
    this.elementsLeft = elementsMax
  }

  /** Moves on by `length` bytes and returns where they begin. */
  take(length: number): number {
    const position = this.position
    if (length > this.end - position) {
      throw new DecodeError(`needs ${length} bytes where ${this.end - position} are left`)
    }
    this.position = position + length
    return position
  }

  bool(): boolean {
    return this.buffer[this.take(1)] !== 0
  }

  int8(): number {
    return this.buffer.readInt8(this.take(1))
  }

  int16(): number {
    return this.buffer.readInt16BE(this.take(2))
  }

  uint16(): number {
    return this.buffer.readUInt16BE(this.take(2))
  }

  int32(): number {
    return this.buffer.readInt32BE(this.take(4))
  }

  int64(): number {
    const position = this.take(8)
    const high = this.buffer.readInt32BE(position)
    const low = this.buffer.readUInt32BE(position + 4)
    if (high > HIGH_WORD_MAX || high < -HIGH_WORD_MAX - 1) {
      throw new DecodeError('an int64 beyond 2^53 is not supported')
    }
    return high * TWO_POW_32 + low
  }

  /** Like {@link int64}, with 2^63-1 as `Infinity`. */
  int64OrMax(): number {
    const position = this.position
    if (this.int32() === 0x7fff_ffff && this.int32() === -1) return Number.POSITIVE_INFINITY
    this.position = position
    return this.int64()
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.take(8))
  }

  uuid(): string {
    const position = this.take(16)
    return this.buffer.toString('base64url', position, position + 16)
  }

  /** An unsigned varint of up to 32 bits. */
  uvarint(): number {
    let value = this.buffer.readUInt8(this.take(1))
    if (value < 0x80) return value
    value &= 0x7f
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.buffer.readUInt8(this.take(1))
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.buffer.readUInt8(this.take(1))
    if (last > 0x0f) throw new DecodeError('a varint has more than 32 bits')
    return value + last * 0x1000_0000
  }

  /** A signed (zigzag) varint of a record: an int32, with the bits that do not fit lost, as in Kafka. */
  varint(): number {
    let raw = 0
    for (let shift = 0; shift < 7 * VARINT_BYTES_MAX; shift += 7) {
      const byte = this.buffer.readUInt8(this.take(1))
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1)
    }
    throw new DecodeError('a varint has more than 32 bits')
  }

  /**
   * A signed (zigzag) varint of up to 64 bits; NaN beyond 2^52. Clients may send such: no number of
   * milliseconds that is a time, but a record all the same where the log's own time counts.
   */
  varlong(): number {
    let raw = 0
    let factor = 1
    for (let count = 0; count < VARLONG_BYTES_MAX; count++) {
      const byte = this.buffer.readUInt8(this.take(1))
      raw += (byte & 0x7f) * factor
      factor *= 0x80
      if (byte >= 0x80) continue
      if (raw > Number.MAX_SAFE_INTEGER) return Number.NaN
      return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
    }
    throw new DecodeError('a varint has more than 64 bits')
  }

  /** A length with -1 for null, as int16. */
  length16(): number {
    return this.checkedLength(this.int16())
  }

  /** A length with -1 for null, as int32. */
  length32(): number {
    return this.checkedLength(this.int32())
  }

  /** A compact length: a varint of the length plus 1, and 0 for null. */
  compactLength(): number {
    return this.uvarint() - 1
  }

  private checkedLength(length: number): number {
    if (length < -1) throw new DecodeError(`a length is ${length}`)
    return length
  }

  /** The `length` bytes of a string. */
  string(length: number): string {
    if (length > STRING_BYTES_MAX) throw new DecodeError(`a string has ${length} bytes`)
    const position = this.take(length)
    return length === 0 ? '' : this.buffer.toString('utf8', position, position + length)
  }

  /** Moves on beyond the tagged fields at the end of a header. */
  skipTags(): void {
    const count = this.uvarint()
    for (let index = 0; index < count; index++) {
      this.uvarint()
      this.take(this.uvarint())
    }
  }

  /** A view of the next `length` bytes. */
  view(length: number): Buffer {
    if (length === 0) return EMPTY
    const position = this.take(length)
    return this.buffer.subarray(position, position + length)
  }

  /**
   * Checks the count of an array whose elements take `elementBytesMin` bytes or more each, and
   * draws it from the message's budget.
   */
  reserveElements(count: number, elementBytesMin: number): void {
    if (count * elementBytesMin > this.end - this.position) {
      throw new DecodeError(`${count} elements do not fit in ${this.end - this.position} bytes`)
    }
    this.elementsLeft -= count
    if (this.elementsLeft < 0) throw new DecodeError('the message has too many array elements')
  }
}
