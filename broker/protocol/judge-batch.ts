import {
  attributes,
  BATCH_HEADER_BYTES,
  compressionCodec,
  LOG_APPEND_TIME_BIT,
  setCrc,
  setCreateTime,
  setLogAppendTime,
  setPacked,
} from './batch-header.ts'
import {
  type CheckedRecords,
  checkRecords,
  type RecordError,
  withDenseOffsets,
} from './check-records.ts'
import { compress, LEVEL_BY_DEFAULT, type Packing } from './compress.ts'
import { decompress, unpackedBytesMax } from './compression.ts'
import { type BatchError, type BatchInfo, validateBatch } from './validate-batch.ts'

/**
 * How deep produced batches are looked into where their topic does not ask for more.
 * - `headers`: no record is looked at.
 * - `uncompressed`: those that need no unpacking are.
 * - `full`: all are, as in Kafka.
 */
export type RecordValidation = 'headers' | 'uncompressed' | 'full'

/** A walk costs 25 ns a record, which is little beside the rest of a produce. Unpacking is not. */
export const VALIDATION_BY_DEFAULT: RecordValidation = 'uncompressed'

/** What a topic's configs ask of batches. */
export interface BatchRules {
  readonly messageBytesMax: number
  /** Whether the broker stamps records with the time of their append. */
  readonly logAppendTime: boolean
  /** How far the records' own times may be behind the broker's and ahead of it. */
  readonly timestampBeforeMsMax: number
  readonly timestampAfterMsMax: number
  /** Whether each record must have a key. */
  readonly keysRequired: boolean
  /** What batches are stored in; null: as they came. */
  readonly packing: Packing | null
}

export interface JudgeOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** Whether zstd is allowed: not before Produce v7 (KIP-110). */
  readonly zstdAllowed: boolean
  readonly validation: RecordValidation
}

/** A batch as it is to be stored. */
export interface AcceptedBatch {
  readonly verdict: 'accepted'
  /** The client's own bytes, or new ones where `isRebuilt`. */
  readonly bytes: Buffer
  readonly isRebuilt: boolean
  readonly info: BatchInfo
  /** As stored. */
  readonly maxTimestamp: number
  readonly attributes: number
}

export interface RefusedProduce {
  readonly verdict: 'refused'
  readonly error: BatchError
  /** A sentence for the client. */
  readonly reason: string
  readonly recordErrors: readonly RecordError[]
}

/** Its header is fine; its records must be unpacked or packed: {@link judgeRecords} goes on. */
export interface PendingBatch {
  readonly verdict: 'pending'
  readonly bytes: Buffer
  readonly info: BatchInfo
}

const NO_ERRORS: readonly RecordError[] = []

function refused(
  error: BatchError,
  reason: string,
  recordErrors: readonly RecordError[] = NO_ERRORS,
): RefusedProduce {
  return { verdict: 'refused', error, reason, recordErrors }
}

/**
 * Decides what becomes of the batch that a client sent for a partition, as Kafka's LogValidator
 * (4.3.1) does, in one step where nothing is to be unpacked or packed. What is wrong only in the
 * header (the latest time) is put right in place.
 *
 * Unless the topic or `validation` asks for more, only the header is judged; where that is odd, the
 * records decide.
 */
export function judgeBatch(
  records: Buffer | null,
  rules: BatchRules,
  options: JudgeOptions,
): AcceptedBatch | RefusedProduce | PendingBatch {
  const { messageBytesMax } = rules
  const { zstdAllowed } = options
  const validated = validateBatch(records, { messageBytesMax, zstdAllowed })
  if (validated.error !== null) return refused(validated.error, validated.reason)
  const info = validated.batch
  const { sizeBytes } = info
  const sent = records as Buffer
  const bytes = sent.length === sizeBytes ? sent : sent.subarray(0, sizeBytes)
  const isPackedAnew = rules.packing !== null && rules.packing.codec !== info.codec
  if (!isPackedAnew && !needsWalk(info, rules, options)) {
    return accepted(bytes, info, info.maxTimestamp, rules, options)
  }
  if (isPackedAnew || info.codec !== compressionCodec.none) {
    return { verdict: 'pending', bytes, info }
  }
  const checked = check(bytes, BATCH_HEADER_BYTES, sizeBytes, info, rules, options)
  const refusal = refusalOf(checked)
  if (refusal !== null) return refusal
  if (checked.isDense) return accepted(bytes, info, checked.maxTimestamp, rules, options)
  const dense = withDenseOffsets(bytes.subarray(BATCH_HEADER_BYTES), info.recordsCount)
  return rebuilt(bytes, info, checked.maxTimestamp, rules, options, dense)
}

/** Goes on where {@link judgeBatch} had to stop. Both bytes and rules must stay as they are. */
export async function judgeRecords(
  { bytes, info }: PendingBatch,
  rules: BatchRules,
  options: JudgeOptions,
): Promise<AcceptedBatch | RefusedProduce> {
  const { codec, recordsCount } = info
  const packed = bytes.subarray(BATCH_HEADER_BYTES)
  let plain: Buffer
  try {
    plain = await decompress(codec, packed, unpackedBytesMax(packed.length))
  } catch (error) {
    const { name, message, isTooLarge } = error as Error & { isTooLarge?: boolean }
    // By name: two copies of the module may be loaded in a test run.
    if (name !== 'DecodeError') throw error
    // Clients answer "too large" by sending the same records in smaller batches.
    return refused(isTooLarge === true ? 'too-large' : 'invalid-record', message)
  }
  const checked = check(plain, 0, plain.length, info, rules, options)
  const refusal = refusalOf(checked)
  if (refusal !== null) return refusal
  const packing = rules.packing ?? { codec, level: LEVEL_BY_DEFAULT[codec] ?? 0 }
  if (checked.isDense && packing.codec === codec) {
    return accepted(bytes, info, checked.maxTimestamp, rules, options)
  }
  // Kafka too puts wrong offsets right where it packs anew; elsewhere it fails at them, or, with
  // records that are not compressed, leaves them for consumers to stumble over.
  const dense = checked.isDense ? plain : withDenseOffsets(plain, recordsCount)
  const anew = await compress(packing, dense)
  return rebuilt(
    bytes,
    { ...info, codec: packing.codec },
    checked.maxTimestamp,
    rules,
    options,
    anew,
  )
}

/** Whether the records decide: they are asked for, or the header is not what a client would send. */
function needsWalk(info: BatchInfo, rules: BatchRules, options: JudgeOptions): boolean {
  const { validation, nowMs } = options
  if (validation === 'full' || rules.keysRequired) return true
  if (validation === 'uncompressed' && info.codec === compressionCodec.none) return true
  if ((info.attributes & LOG_APPEND_TIME_BIT) !== 0) return true
  if (rules.logAppendTime) return false
  return (
    rules.timestampBeforeMsMax < Number.MAX_SAFE_INTEGER ||
    info.maxTimestamp > nowMs + rules.timestampAfterMsMax ||
    info.maxTimestamp < info.baseTimestamp
  )
}

function check(
  bytes: Buffer,
  start: number,
  end: number,
  info: BatchInfo,
  rules: BatchRules,
  { nowMs }: JudgeOptions,
): CheckedRecords {
  return checkRecords(bytes, start, end, {
    recordsCount: info.recordsCount,
    baseTimestamp: info.baseTimestamp,
    appendTimeMs: (info.attributes & LOG_APPEND_TIME_BIT) === 0 ? null : info.maxTimestamp,
    keysRequired: rules.keysRequired,
    createTime: !rules.logAppendTime,
    timestampMin: nowMs - rules.timestampBeforeMsMax,
    timestampMax: nowMs + rules.timestampAfterMsMax,
  })
}

function refusalOf({ fault, errors }: CheckedRecords): RefusedProduce | null {
  if (fault !== null) return refused('invalid-record', fault)
  if (errors.length === 0) return null
  const isTime = errors.some(({ kind }) => kind === 'timestamp')
  const reason = `${errors.length} of the records are refused: ${errors[0]?.reason}`
  return refused(isTime ? 'invalid-timestamp' : 'invalid-record', reason, errors)
}

function accepted(
  bytes: Buffer,
  info: BatchInfo,
  latest: number,
  rules: BatchRules,
  { nowMs }: JudgeOptions,
): AcceptedBatch {
  const maxTimestamp = rules.logAppendTime ? nowMs : latest
  if (rules.logAppendTime) setLogAppendTime(bytes, 0, nowMs)
  else if (latest !== info.maxTimestamp || (info.attributes & LOG_APPEND_TIME_BIT) !== 0) {
    setCreateTime(bytes, 0, latest)
  }
  const isRebuilt = false
  return {
    verdict: 'accepted',
    bytes,
    isRebuilt,
    info,
    maxTimestamp,
    attributes: attributes(bytes),
  }
}

/** The batch with other records, which stand for the same. */
function rebuilt(
  bytes: Buffer,
  info: BatchInfo,
  latest: number,
  rules: BatchRules,
  options: JudgeOptions,
  records: Buffer,
): AcceptedBatch | RefusedProduce {
  const whole = Buffer.concat([bytes.subarray(0, BATCH_HEADER_BYTES), records])
  const { messageBytesMax } = rules
  if (whole.length > messageBytesMax) {
    const reason = `the topic allows batches of ${messageBytesMax} bytes, and packed by the broker it has ${whole.length}`
    return refused('too-large', reason)
  }
  setPacked(whole, 0, info.codec, whole.length)
  setCrc(whole, 0)
  const sized = { ...info, sizeBytes: whole.length }
  return { ...accepted(whole, sized, latest, rules, options), isRebuilt: true }
}
