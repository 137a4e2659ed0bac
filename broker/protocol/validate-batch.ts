import {
  attributes,
  baseOffset,
  baseSequence,
  baseTimestamp,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_END,
  BATCH_MAGIC,
  batchBytes,
  codecOf,
  COMPRESSION_MASK,
  compressionCodec,
  computeCrc,
  CONTROL_BIT,
  crc,
  lastOffsetDelta,
  magic,
  maxTimestamp,
  producerEpoch,
  producerId,
  recordsCount,
  TRANSACTIONAL_BIT,
} from './batch-header.ts'

/** What a partition needs to know of a batch to append it. */
export interface BatchInfo {
  readonly sizeBytes: number
  readonly recordsCount: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** -1: not from an idempotent producer. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly attributes: number
  readonly codec: number
  readonly transactional: boolean
}

export type BatchError =
  | 'corrupt-message'
  | 'invalid-record'
  | 'invalid-timestamp'
  | 'stale-epoch'
  | 'too-large'
  | 'unsupported-compression'

export interface RefusedBatch {
  readonly error: BatchError
  /** A sentence for the client. */
  readonly reason: string
  readonly batch: null
}

export type ValidatedBatch =
  | { readonly error: null; readonly reason: null; readonly batch: BatchInfo }
  | RefusedBatch

export interface ValidateOptions {
  /** What a batch may have, header included, as it comes (`max.message.bytes`). Default: any. */
  readonly messageBytesMax?: number
  /** Whether zstd is allowed: not before Produce v7 (KIP-110). Default: yes. */
  readonly zstdAllowed?: boolean
}

/** Length, attributes, timestamp delta, offset delta, key, value, headers: a byte each. */
const RECORD_BYTES_MIN = 7
/** No batch of any format says that it is shorter: Kafka takes this for the sign of garbage. */
const BATCH_LENGTH_MIN = 14
/** From here on a batch's magic is there to be looked at, whatever its format. */
const MAGIC_END = 17

function refusedBatch(error: BatchError, reason: string): RefusedBatch {
  return { error, reason, batch: null }
}

/**
 * Checks the one record batch of a partition in a produce request by its header, without looking at
 * a record, as Kafka 4.3.1 does in ProduceRequest, UnifiedLog and LogValidator, and in their order.
 * `records` is a peer's: whatever is in it, this returns. Behind the batch there may be the beginning
 * of another one, which is nothing to anybody.
 *
 * Stricter than Kafka: a producer id below -1, one without an epoch, times beyond 2^53, more records
 * than there is room for. Kafka answers an unknown codec with UNKNOWN_SERVER_ERROR.
 */
export function validateBatch(
  records: Buffer | null,
  { messageBytesMax = Number.POSITIVE_INFINITY, zstdAllowed = true }: ValidateOptions = {},
): ValidatedBatch {
  if (records === null) return refusedBatch('invalid-record', 'no record batch')
  const framing = checkFraming(records)
  if (framing !== null) return framing
  const codec = codecOf(records)
  if (codec === compressionCodec.zstd && !zstdAllowed) {
    return refusedBatch('unsupported-compression', 'zstd needs version 7 of this request or later')
  }
  const sizeBytes = batchBytes(records)
  const behind = sizeBytes === records.length ? null : checkBehind(records, sizeBytes)
  if (behind !== null) return behind
  if (baseOffset(records) !== 0) {
    return refusedBatch('invalid-record', 'the offsets of a batch do not begin with 0')
  }
  if (sizeBytes > messageBytesMax) {
    return refusedBatch('too-large', `the topic allows batches of ${messageBytesMax} bytes`)
  }
  if (sizeBytes < BATCH_HEADER_BYTES) {
    return refusedBatch('corrupt-message', 'a batch is shorter than its header')
  }
  if (computeCrc(records) !== crc(records)) {
    return refusedBatch('corrupt-message', 'the CRC of a batch is wrong')
  }
  if (codec > compressionCodec.zstd) {
    return refusedBatch('unsupported-compression', `there is no compression codec ${codec}`)
  }
  const info = infoOf(records)
  return checkContent(info, lastOffsetDelta(records)) ?? { error: null, reason: null, batch: info }
}

/** At the beginning there is a whole batch of the format that is supported. */
function checkFraming(records: Buffer): RefusedBatch | null {
  const fault = garbageAt(records, 0)
  if (fault !== null) return fault
  if (!isWholeAt(records, 0)) return refusedBatch('invalid-record', 'there is no whole batch')
  if (magic(records) !== BATCH_MAGIC) {
    return refusedBatch('invalid-record', 'only record batches of magic 2 are supported')
  }
  return null
}

/** Behind the batch there is no other one, but for the beginning of one. */
function checkBehind(records: Buffer, position: number): RefusedBatch | null {
  const fault = garbageAt(records, position)
  if (fault !== null) return fault
  return isWholeAt(records, position)
    ? refusedBatch('invalid-record', 'there is more than one batch')
    : null
}

function garbageAt(records: Buffer, position: number): RefusedBatch | null {
  const left = records.length - position
  if (left < BATCH_LENGTH_END) return null
  if (batchBytes(records, position) < BATCH_LENGTH_END + BATCH_LENGTH_MIN) {
    return refusedBatch('corrupt-message', 'the length of a batch is wrong')
  }
  if (left < MAGIC_END) return null
  const version = magic(records, position)
  if (version >= 0 && version <= BATCH_MAGIC) return null
  return refusedBatch('corrupt-message', `there is no magic ${version}`)
}

function isWholeAt(records: Buffer, position: number): boolean {
  const left = records.length - position
  return left >= MAGIC_END && batchBytes(records, position) <= left
}

function infoOf(records: Buffer): BatchInfo {
  const bits = attributes(records)
  return {
    sizeBytes: batchBytes(records),
    recordsCount: recordsCount(records),
    baseTimestamp: baseTimestamp(records),
    maxTimestamp: maxTimestamp(records),
    producerId: producerId(records),
    producerEpoch: producerEpoch(records),
    baseSequence: baseSequence(records),
    attributes: bits,
    codec: bits & COMPRESSION_MASK,
    transactional: (bits & TRANSACTIONAL_BIT) !== 0,
  }
}

function checkContent(info: BatchInfo, lastDelta: number): RefusedBatch | null {
  const why = contentFault(info, lastDelta)
  if (why !== null) return refusedBatch('invalid-record', why)
  if (info.producerId >= 0 && info.producerEpoch < 0) {
    return refusedBatch('stale-epoch', 'a batch with a producer id has no epoch')
  }
  if (!Number.isSafeInteger(info.baseTimestamp) || !Number.isSafeInteger(info.maxTimestamp)) {
    return refusedBatch('invalid-timestamp', 'a time stamp is beyond 2^53')
  }
  return null
}

function contentFault(info: BatchInfo, lastDelta: number): string | null {
  if (info.recordsCount <= 0) return 'a batch has no records'
  if (lastDelta !== info.recordsCount - 1) return 'offsets and count of records differ'
  const body = info.sizeBytes - BATCH_HEADER_BYTES
  if (info.codec === compressionCodec.none && body < info.recordsCount * RECORD_BYTES_MIN) {
    return 'a batch has fewer records than it says'
  }
  if ((info.attributes & CONTROL_BIT) !== 0) return 'clients may not write control batches'
  if (info.producerId < -1 || !Number.isSafeInteger(info.producerId)) {
    return 'there is no such producer id'
  }
  if (info.producerId >= 0 && info.baseSequence < 0) {
    return 'a batch with a producer id has no sequence'
  }
  if (info.transactional && info.producerId < 0) {
    return 'a transactional batch has no producer id'
  }
  return null
}
