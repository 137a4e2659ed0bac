import { crc32c } from '../../base/crc32c.ts'

/**
 * The header of a record batch (magic 2, KIP-98), read in place: `buffer` holds the batch at
 * `position`, with its header complete. Integers are big-endian.
 *
 *  0  base offset, i64           8  length of what follows, i32    12 partition leader epoch, i32
 * 16  magic, i8                  17 CRC32C of bytes 21.., u32      21 attributes, i16
 * 23  last offset delta, i32     27 base timestamp, i64            35 max timestamp, i64
 * 43  producer id, i64           51 producer epoch, i16            53 base sequence, i32
 * 57  count of records, i32      61 records
 *
 * Base offset and leader epoch lie before what the CRC covers, so a broker sets both in place.
 */
export const BATCH_HEADER_BYTES = 61
/** Bytes before the ones that `batchLength` counts. */
export const BATCH_LENGTH_END = 12
const LENGTH_POSITION = 8
const MAGIC_POSITION = 16
export const BATCH_MAGIC = 2

const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21
const MAX_TIMESTAMP_POSITION = 35
const TWO_POW_32 = 0x1_0000_0000

/** Bits of the attributes. */
export const COMPRESSION_MASK = 0x07
export const LOG_APPEND_TIME_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
/** Those above, and the delete horizon's: Kafka drops all others where it writes attributes. */
const KNOWN_BITS = 0x7f

/** Compression codecs, as the attributes number them. */
export const compressionCodec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/** An int64 as a number; imprecise beyond 2^53, which `validateBatch` refuses. */
function int64At(buffer: Buffer, position: number): number {
  return buffer.readInt32BE(position) * TWO_POW_32 + buffer.readUInt32BE(position + 4)
}

function setInt64At(buffer: Buffer, position: number, value: number): void {
  const high = Math.floor(value / TWO_POW_32)
  buffer.writeInt32BE(high, position)
  buffer.writeUInt32BE(value - high * TWO_POW_32, position + 4)
}

export function baseOffset(buffer: Buffer, position = 0): number {
  return int64At(buffer, position)
}

/** Bytes of the batch after its first 12. */
function batchLength(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + LENGTH_POSITION)
}

/** Bytes of the whole batch. */
export function batchBytes(buffer: Buffer, position = 0): number {
  return BATCH_LENGTH_END + batchLength(buffer, position)
}

export function partitionLeaderEpoch(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + 12)
}

export function magic(buffer: Buffer, position = 0): number {
  return buffer.readInt8(position + MAGIC_POSITION)
}

export function crc(buffer: Buffer, position = 0): number {
  return buffer.readUInt32BE(position + CRC_POSITION)
}

export function attributes(buffer: Buffer, position = 0): number {
  return buffer.readInt16BE(position + ATTRIBUTES_POSITION)
}

/** The codec that the records of the batch at `position` are packed with. */
export function codecOf(buffer: Buffer, position = 0): number {
  return attributes(buffer, position) & COMPRESSION_MASK
}

export function lastOffsetDelta(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + 23)
}

/** The offset of the last record. */
export function lastOffset(buffer: Buffer, position = 0): number {
  return baseOffset(buffer, position) + lastOffsetDelta(buffer, position)
}

/** Milliseconds since 1970, of the first record. */
export function baseTimestamp(buffer: Buffer, position = 0): number {
  return int64At(buffer, position + 27)
}

/** Milliseconds since 1970, of the latest record; of the append where the broker stamps. */
export function maxTimestamp(buffer: Buffer, position = 0): number {
  return int64At(buffer, position + MAX_TIMESTAMP_POSITION)
}

/** -1: not from an idempotent producer. */
export function producerId(buffer: Buffer, position = 0): number {
  return int64At(buffer, position + 43)
}

export function producerEpoch(buffer: Buffer, position = 0): number {
  return buffer.readInt16BE(position + 51)
}

export function baseSequence(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + 53)
}

export function recordsCount(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + 57)
}

/** The CRC32C that the batch must carry. The batch must be in `buffer` as a whole. */
export function computeCrc(buffer: Buffer, position = 0): number {
  const end = position + batchBytes(buffer, position)
  return crc32c(buffer.subarray(position + ATTRIBUTES_POSITION, end))
}

/** Sets the offset of the batch's first record, in place. */
export function setBaseOffset(buffer: Buffer, position: number, offset: number): void {
  setInt64At(buffer, position, offset)
}

/** Sets the partition leader epoch, in place. */
export function setLeaderEpoch(buffer: Buffer, position: number, leaderEpoch: number): void {
  buffer.writeInt32BE(leaderEpoch, position + 12)
}

/**
 * Stamps the batch with the time of its append (`message.timestamp.type=LogAppendTime`), in place:
 * the attribute's bit makes readers take the max timestamp for every record. Recomputes the CRC.
 */
export function setLogAppendTime(buffer: Buffer, position: number, wallMs: number): void {
  const bits = attributes(buffer, position) | LOG_APPEND_TIME_BIT
  setTimes(buffer, position, bits, wallMs)
}

/**
 * Makes the records' own times count, of which `latest` is the latest, in place. Recomputes the CRC.
 */
export function setCreateTime(buffer: Buffer, position: number, latest: number): void {
  const bits = attributes(buffer, position) & ~LOG_APPEND_TIME_BIT
  setTimes(buffer, position, bits, latest)
}

function setTimes(buffer: Buffer, position: number, bits: number, latest: number): void {
  buffer.writeInt16BE(bits & KNOWN_BITS, position + ATTRIBUTES_POSITION)
  setInt64At(buffer, position + MAX_TIMESTAMP_POSITION, latest)
  setCrc(buffer, position)
}

/** The codec and length of the batch's records, in place. The CRC is then to be set. */
export function setPacked(
  buffer: Buffer,
  position: number,
  codec: number,
  sizeBytes: number,
): void {
  const bits = (attributes(buffer, position) & KNOWN_BITS & ~COMPRESSION_MASK) | codec
  buffer.writeInt16BE(bits, position + ATTRIBUTES_POSITION)
  buffer.writeInt32BE(sizeBytes - BATCH_LENGTH_END, position + LENGTH_POSITION)
}

/** Writes the CRC that the batch must carry, in place. */
export function setCrc(buffer: Buffer, position: number): void {
  buffer.writeUInt32BE(computeCrc(buffer, position), position + CRC_POSITION)
}
