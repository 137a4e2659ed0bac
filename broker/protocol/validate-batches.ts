import {
  attributes,
  baseSequence,
  baseTimestamp,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBytes,
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
  /** Where the batch begins in the records it came in. */
  readonly position: number
  readonly sizeBytes: number
  readonly recordsCount: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** -1: not from an idempotent producer. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly attributes: number
  readonly transactional: boolean
}

export type BatchError =
  | 'corrupt-message'
  | 'invalid-record'
  | 'unsupported-for-message-format'
  | 'unsupported-compression'

/** `reason` is a sentence for the client. */
export type ValidatedBatches =
  | { readonly error: null; readonly reason: null; readonly batches: readonly BatchInfo[] }
  | { readonly error: BatchError; readonly reason: string; readonly batches: readonly [] }

export interface ValidateOptions {
  /** How many batches there may be; Kafka allows a producer 1 per partition and request. */
  readonly batchesMax?: number
  /** Whether zstd is allowed: not before Produce v7 (KIP-110). Default: yes. */
  readonly zstdAllowed?: boolean
}

/** Length, attributes, timestamp delta, offset delta, key, value, headers: a byte each. */
const RECORD_BYTES_MIN = 7

function refuse(error: BatchError, reason: string): ValidatedBatches {
  return { error, reason, batches: [] }
}

/**
 * Checks the record batches of one partition in a produce request, without decoding a record.
 * `records` is a peer's: whatever is in it, this returns. At least one batch must be there.
 */
export function validateBatches(
  records: Buffer | null,
  options: ValidateOptions = {},
): ValidatedBatches {
  const { batchesMax = 1, zstdAllowed = true } = options
  if (records === null || records.length === 0) return refuse('invalid-record', 'no record batch')
  const batches: BatchInfo[] = []
  let position = 0
  while (position < records.length) {
    if (batches.length === batchesMax) return refuse('invalid-record', 'too many record batches')
    const framing = checkFraming(records, position)
    if (framing !== null) return framing
    const info = infoAt(records, position)
    const content = checkContent(info, zstdAllowed)
    if (content !== null) return content
    batches.push(info)
    position += info.sizeBytes
  }
  return { error: null, reason: null, batches }
}

/** Format and integrity: until these hold, no other field means anything. */
function checkFraming(records: Buffer, position: number): ValidatedBatches | null {
  const left = records.length - position
  // Older formats have the magic in the same place; their headers are shorter.
  if (left > 16 && magic(records, position) >= 0 && magic(records, position) < BATCH_MAGIC) {
    return refuse('unsupported-for-message-format', 'only record batches of magic 2 are supported')
  }
  if (left < BATCH_HEADER_BYTES) return refuse('corrupt-message', 'a batch header is cut off')
  if (magic(records, position) !== BATCH_MAGIC) return refuse('corrupt-message', 'unknown magic')
  const sizeBytes = batchBytes(records, position)
  if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > left) {
    return refuse('corrupt-message', 'the length of a batch is wrong')
  }
  if (computeCrc(records, position) !== crc(records, position)) {
    return refuse('corrupt-message', 'the CRC of a batch is wrong')
  }
  return null
}

function infoAt(records: Buffer, position: number): BatchInfo {
  const bits = attributes(records, position)
  return {
    position,
    sizeBytes: batchBytes(records, position),
    recordsCount: recordsCount(records, position),
    lastOffsetDelta: lastOffsetDelta(records, position),
    baseTimestamp: baseTimestamp(records, position),
    maxTimestamp: maxTimestamp(records, position),
    producerId: producerId(records, position),
    producerEpoch: producerEpoch(records, position),
    baseSequence: baseSequence(records, position),
    attributes: bits,
    transactional: (bits & TRANSACTIONAL_BIT) !== 0,
  }
}

function checkContent(info: BatchInfo, zstdAllowed: boolean): ValidatedBatches | null {
  const codec = info.attributes & COMPRESSION_MASK
  if (codec > compressionCodec.zstd || (codec === compressionCodec.zstd && !zstdAllowed)) {
    return refuse('unsupported-compression', 'the compression of a batch is not supported')
  }
  const why = contentFault(info, codec)
  return why === null ? null : refuse('invalid-record', why)
}

function contentFault(info: BatchInfo, codec: number): string | null {
  if ((info.attributes & CONTROL_BIT) !== 0) return 'clients may not write control batches'
  if (info.recordsCount <= 0) return 'a batch has no records'
  if (info.lastOffsetDelta !== info.recordsCount - 1) return 'offsets and count of records differ'
  const body = info.sizeBytes - BATCH_HEADER_BYTES
  if (codec === compressionCodec.none && body < info.recordsCount * RECORD_BYTES_MIN) {
    return 'a batch has fewer records than it says'
  }
  if (info.producerId < -1 || !Number.isSafeInteger(info.producerId)) return 'producer id'
  if (info.producerId >= 0 && (info.baseSequence < 0 || info.producerEpoch < 0)) {
    return 'a batch with a producer id has no sequence or epoch'
  }
  if (info.transactional && info.producerId < 0) {
    return 'a transactional batch has no producer id'
  }
  if (!Number.isSafeInteger(info.baseTimestamp) || !Number.isSafeInteger(info.maxTimestamp)) {
    return 'a timestamp is beyond 2^53'
  }
  return null
}
