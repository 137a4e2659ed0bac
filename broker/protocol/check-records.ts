/**
 * The walk over the records of a batch (magic 2, KIP-98), in their plain form. It holds them to what
 * Kafka's LogValidator and DefaultRecord (4.3.1) hold them to, without making anything of a record.
 */

/** What a batch's header says that its records are read by, and what its topic asks of each. */
export interface RecordRules {
  readonly recordsCount: number
  readonly baseTimestamp: number
  /** The time of all records where the header says that the broker stamped them; null: their own. */
  readonly appendTimeMs: number | null
  /** Whether a record without a key is refused (`cleanup.policy=compact`). */
  readonly keysRequired: boolean
  /** Whether the records' own times are kept; without that they are not looked at. */
  readonly createTime: boolean
  /** Milliseconds since 1970; records outside are refused, but for those of no time at all, -1. */
  readonly timestampMin: number
  readonly timestampMax: number
}

/** A record that must not be stored, by its place in the batch (KIP-467). */
export interface RecordError {
  readonly batchIndex: number
  readonly kind: 'no-key' | 'timestamp'
  /** A sentence for the client. */
  readonly reason: string
}

export interface CheckedRecords {
  /** What is wrong with the bytes themselves; the other fields then mean nothing. */
  readonly fault: string | null
  readonly errors: readonly RecordError[]
  /** The latest time of a record, or -1. */
  readonly maxTimestamp: number
  /** Whether the offsets rise by 1 from the batch's own. */
  readonly isDense: boolean
}

/** Of an answer's errors: a batch of a million bad records must not be answered with 100 MiB. */
export const RECORD_ERRORS_MAX = 1_000

/** Where reading ends that met a number of too many bytes: behind every record there is. */
const BEYOND = Number.MAX_SAFE_INTEGER
const NO_TIMESTAMP = -1
const NO_ERRORS: readonly RecordError[] = []

/**
 * Walks the records that `bytes` has from `start` to `end`. Whatever a peer put there, this returns:
 * reading behind `end` does no harm, and is found out at the end of each record.
 */
export function checkRecords(
  bytes: Buffer,
  start: number,
  end: number,
  rules: RecordRules,
): CheckedRecords {
  const { recordsCount, appendTimeMs } = rules
  const cursor = new Cursor(bytes, start)
  let errors: RecordError[] | null = null
  let maxTimestamp = NO_TIMESTAMP
  let isDense = true
  for (let index = 0; index < recordsCount; index++) {
    const sizeBytes = cursor.varint()
    const recordStart = cursor.position
    if (sizeBytes > end - recordStart) return faulty('a record is longer than its batch')
    // The attributes of a record have no meaning yet.
    cursor.position++
    const ownTimestamp = rules.baseTimestamp + cursor.varlong()
    if (cursor.varint() !== index) isDense = false
    const keyBytes = cursor.varint()
    if (keyBytes > 0) cursor.position += keyBytes
    const valueBytes = cursor.varint()
    if (valueBytes > 0) cursor.position += valueBytes
    const headersCount = cursor.varint()
    if (headersCount !== 0 && !cursor.skipHeaders(headersCount, end)) {
      return faulty('the headers of a record are malformed')
    }
    if (cursor.position - recordStart !== sizeBytes) {
      return faulty('the length of a record is not that of its fields')
    }
    const timestamp = appendTimeMs ?? ownTimestamp
    if (timestamp > maxTimestamp) maxTimestamp = timestamp
    const error = errorOf(rules, index, timestamp, keyBytes)
    if (error !== null && (errors === null || errors.length < RECORD_ERRORS_MAX)) {
      errors ??= []
      errors.push(error)
    }
  }
  if (cursor.position !== end) return faulty('a batch has bytes after its records')
  return { fault: null, errors: errors ?? NO_ERRORS, maxTimestamp, isDense }
}

function faulty(fault: string): CheckedRecords {
  return { fault, errors: NO_ERRORS, maxTimestamp: NO_TIMESTAMP, isDense: false }
}

function errorOf(
  rules: RecordRules,
  batchIndex: number,
  timestamp: number,
  keyBytes: number,
): RecordError | null {
  if (rules.keysRequired && keyBytes < 0) {
    return { batchIndex, kind: 'no-key', reason: 'a compacted topic takes no record without a key' }
  }
  if (rules.createTime && timestamp !== NO_TIMESTAMP) {
    if (timestamp >= rules.timestampMin && timestamp <= rules.timestampMax) return null
    const range = `${rules.timestampMin} to ${rules.timestampMax}`
    const reason = `the time stamp ${timestamp} is not within what the topic takes: ${range}`
    return { batchIndex, kind: 'timestamp', reason }
  }
  if (rules.appendTimeMs === null) return null
  const reason = 'producers do not stamp records with the time of their append'
  return { batchIndex, kind: 'timestamp', reason }
}

/** What the first and the second number of a record can grow by: five bytes are the most of both. */
const GROWTH_BYTES_MAX = 4 + 4

/**
 * The same records with offsets that rise by 1 from the batch's own. They must have passed
 * {@link checkRecords}. All of it is written into one piece of memory: a small packed batch can have
 * millions of records, and an object for each would be the end of the process.
 */
export function withDenseOffsets(records: Buffer, recordsCount: number): Buffer {
  const dense = Buffer.allocUnsafeSlow(records.length + recordsCount * GROWTH_BYTES_MAX)
  const cursor = new Cursor(records, 0)
  let position = 0
  for (let index = 0; index < recordsCount; index++) {
    const sizeBytes = cursor.varint()
    const recordStart = cursor.position
    cursor.position++
    cursor.varlong()
    const deltaStart = cursor.position
    cursor.varint()
    const deltaEnd = cursor.position
    const recordEnd = recordStart + sizeBytes
    const grownBytes = varintBytes(index) - (deltaEnd - deltaStart)
    position = writeVarint(dense, position, sizeBytes + grownBytes)
    position += records.copy(dense, position, recordStart, deltaStart)
    position = writeVarint(dense, position, index)
    position += records.copy(dense, position, deltaEnd, recordEnd)
    cursor.position = recordEnd
  }
  return dense.subarray(0, position)
}

/** How many bytes {@link writeVarint} takes for `value`. */
function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

/** Zigzag, seven bits a byte, low bits first. `value` must not be negative. Returns the end. */
function writeVarint(target: Buffer, start: number, value: number): number {
  let position = start
  let rest = value * 2
  while (rest >= 0x80) {
    target[position++] = (rest % 0x80) + 0x80
    rest = Math.floor(rest / 0x80)
  }
  target[position++] = rest
  return position
}

/** Reads on and on, without a look at where the bytes end: there it reads zeros. */
class Cursor {
  position: number
  private readonly bytes: Buffer

  constructor(bytes: Buffer, position: number) {
    this.bytes = bytes
    this.position = position
  }

  /** An int32, with the bits that do not fit lost, as in Kafka's ByteUtils. */
  varint(): number {
    const byte = this.bytes[this.position++] as number
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    return this.longVarint(byte)
  }

  private longVarint(first: number): number {
    const { bytes } = this
    let raw = first & 0x7f
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = bytes[this.position++] as number
      raw |= (byte & 0x7f) << shift
      if (!(byte >= 0x80)) return (raw >>> 1) ^ -(raw & 1)
    }
    this.position = BEYOND
    return 0
  }

  /** An int64, or NaN where it is beyond 2^52: no such number of milliseconds is a time. */
  varlong(): number {
    const { bytes } = this
    let raw = 0
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = bytes[this.position++] as number
      raw |= (byte & 0x7f) << shift
      if (!(byte >= 0x80)) return (raw >>> 1) ^ -(raw & 1)
    }
    return this.longVarlong(raw)
  }

  private longVarlong(low28: number): number {
    let raw = low28
    let factor = 2 ** 28
    for (let bytesRead = 4; bytesRead < 10; bytesRead++) {
      const byte = this.bytes[this.position++] as number
      raw += (byte & 0x7f) * factor
      factor *= 0x80
      if (byte >= 0x80) continue
      if (!(raw <= Number.MAX_SAFE_INTEGER)) return Number.NaN
      return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
    }
    this.position = BEYOND
    return 0
  }

  /** False where there cannot be so many headers, or one has no key. */
  skipHeaders(count: number, end: number): boolean {
    if (count < 0 || count > end - this.position) return false
    for (let index = 0; index < count; index++) {
      const keyBytes = this.varint()
      if (keyBytes < 0) return false
      this.position += keyBytes
      const valueBytes = this.varint()
      if (valueBytes > 0) this.position += valueBytes
    }
    return true
  }
}
