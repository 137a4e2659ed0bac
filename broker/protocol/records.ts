import {
  attributes,
  BATCH_HEADER_BYTES,
  baseOffset,
  baseTimestamp,
  batchBytes,
  codecOf,
  LOG_APPEND_TIME_BIT,
  maxTimestamp,
  recordsCount,
} from './batch-header.ts'
import { decompress, unpackedBytesMax } from './compression.ts'
import { DecodeError, Reader } from './reader.ts'

/** Where a record is, and when it was made (or appended, where the broker stamps). */
export interface RecordPlace {
  readonly offset: number
  readonly timestampMs: number
}

/**
 * The records of the batch at `position` as one piece of bytes, unpacked. Throws DecodeError, also
 * where that is more than a batch from a client may unpack to: it need not have been looked into
 * when it came. The buffer must stay as it is until the promise is settled; where nothing is packed the result is a
 * view of it.
 */
export function unpackRecords(buffer: Buffer, position: number): Promise<Buffer> {
  const end = position + batchBytes(buffer, position)
  const packed = buffer.subarray(position + BATCH_HEADER_BYTES, end)
  return decompress(codecOf(buffer, position), packed, unpackedBytesMax(packed.length))
}

/**
 * The first record of a batch that `isWanted`, or null. `records` are its unpacked records; its
 * header is at `position`. Keys and values are passed over. Throws DecodeError.
 */
export function findRecord(
  buffer: Buffer,
  position: number,
  records: Buffer,
  isWanted: (offset: number, timestampMs: number) => boolean,
): RecordPlace | null {
  const isStamped = (attributes(buffer, position) & LOG_APPEND_TIME_BIT) !== 0
  const appendedAtMs = isStamped ? maxTimestamp(buffer, position) : null
  const firstOffset = baseOffset(buffer, position)
  const firstTimestampMs = baseTimestamp(buffer, position)
  const count = recordsCount(buffer, position)
  const reader = new Reader(records)
  for (let index = 0; index < count; index++) {
    const sizeBytes = reader.varint()
    const start = reader.position
    reader.int8()
    const createdAtMs = firstTimestampMs + reader.varlong()
    const offset = firstOffset + reader.varint()
    const timestampMs = appendedAtMs ?? createdAtMs
    if (isWanted(offset, timestampMs)) return { offset, timestampMs }
    const rest = sizeBytes - (reader.position - start)
    if (rest < 0) throw new DecodeError('a record is shorter than its fields')
    reader.take(rest)
  }
  return null
}
