import { assert } from '../../base/assert.ts'
import {
  attributes,
  baseOffset,
  baseTimestamp,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_END,
  BATCH_MAGIC,
  batchBytes,
  COMPRESSION_MASK,
  CONTROL_BIT,
  LOG_APPEND_TIME_BIT,
  maxTimestamp,
  recordsCount,
  setCrc,
  TRANSACTIONAL_BIT,
} from './batch-header.ts'
import { DecodeError, Reader } from './reader.ts'
import { varlongBytes, Writer } from './writer.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface RecordInput {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly headers?: readonly RecordHeader[]
}

export interface BatchOptions {
  readonly baseOffset?: number
  readonly leaderEpoch?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly control?: boolean
}

export interface DecodedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** An uncompressed record batch. At least one record; the first one's timestamp is the base. */
export function buildBatch(records: readonly RecordInput[], options: BatchOptions = {}): Buffer {
  const first = records[0]
  assert(first !== undefined, 'a batch has a record')
  const body = new Writer()
  let latest = first.timestamp
  for (const [index, record] of records.entries()) {
    writeRecord(body, record, index, record.timestamp - first.timestamp)
    latest = Math.max(latest, record.timestamp)
  }
  const writer = new Writer(BATCH_HEADER_BYTES)
  writer.int64(options.baseOffset ?? 0)
  writer.int32(BATCH_HEADER_BYTES - BATCH_LENGTH_END + body.totalBytes)
  writer.int32(options.leaderEpoch ?? -1)
  writer.int8(BATCH_MAGIC)
  writer.int32(0)
  writer.int16(
    (options.transactional ? TRANSACTIONAL_BIT : 0) | (options.control ? CONTROL_BIT : 0),
  )
  writer.int32(records.length - 1)
  writer.int64(first.timestamp)
  writer.int64(latest)
  writer.int64(options.producerId ?? -1)
  writer.int16(options.producerEpoch ?? -1)
  writer.int32(options.baseSequence ?? -1)
  writer.int32(records.length)
  const batch = Buffer.concat([...writer.finish().chunks, ...body.finish().chunks])
  setCrc(batch, 0)
  return batch
}

function writeRecord(
  writer: Writer,
  record: RecordInput,
  offsetDelta: number,
  timestampDelta: number,
): void {
  const headers = (record.headers ?? []).map(({ key, value }) => ({ key: Buffer.from(key), value }))
  let length = 1 + varlongBytes(timestampDelta) + varlongBytes(offsetDelta)
  length += sizedBytes(record.key) + sizedBytes(record.value) + varlongBytes(headers.length)
  for (const { key, value } of headers) length += sizedBytes(key) + sizedBytes(value)
  writer.varlong(length)
  writer.int8(0)
  writer.varlong(timestampDelta)
  writer.varlong(offsetDelta)
  writeSized(writer, record.key)
  writeSized(writer, record.value)
  writer.varlong(headers.length)
  for (const { key, value } of headers) {
    writeSized(writer, key)
    writeSized(writer, value)
  }
}

function sizedBytes(bytes: Uint8Array | null): number {
  return bytes === null ? varlongBytes(-1) : varlongBytes(bytes.length) + bytes.length
}

function writeSized(writer: Writer, bytes: Uint8Array | null): void {
  writer.varlong(bytes === null ? -1 : bytes.length)
  if (bytes !== null) writer.raw(bytes)
}

/**
 * The records of the uncompressed batch at `position`. Keys and values are views of `buffer`.
 * Throws DecodeError when the batch is compressed or malformed; the CRC is not looked at.
 */
export function decodeRecords(buffer: Buffer, position = 0): DecodedRecord[] {
  if (buffer.length - position < BATCH_HEADER_BYTES) throw new DecodeError('no whole batch header')
  const end = position + batchBytes(buffer, position)
  if (end > buffer.length || end < position + BATCH_HEADER_BYTES) {
    throw new DecodeError('the length of the batch is wrong')
  }
  const bits = attributes(buffer, position)
  if ((bits & COMPRESSION_MASK) !== 0) throw new DecodeError('the batch is compressed')
  const appendTime = (bits & LOG_APPEND_TIME_BIT) !== 0 ? maxTimestamp(buffer, position) : null
  const reader = new Reader(buffer, position + BATCH_HEADER_BYTES, end)
  const count = recordsCount(buffer, position)
  const firstOffset = baseOffset(buffer, position)
  const firstTimestamp = baseTimestamp(buffer, position)
  const records: DecodedRecord[] = []
  for (let index = 0; index < count; index++) {
    records.push(readRecord(reader, firstOffset, firstTimestamp, appendTime))
  }
  if (reader.position !== end) throw new DecodeError('the batch has bytes after its records')
  return records
}

function readRecord(
  reader: Reader,
  firstOffset: number,
  firstTimestamp: number,
  appendTime: number | null,
): DecodedRecord {
  const length = reader.varint()
  const start = reader.position
  reader.int8()
  const createTime = firstTimestamp + reader.varlong()
  const timestamp = appendTime ?? createTime
  const offset = firstOffset + reader.varint()
  const key = readSized(reader)
  const value = readSized(reader)
  const headersCount = reader.varint()
  if (headersCount < 0) throw new DecodeError('a count of headers is negative')
  const headers: RecordHeader[] = []
  for (let index = 0; index < headersCount; index++) {
    const name = readSized(reader)
    if (name === null) throw new DecodeError('a header has no key')
    headers.push({ key: name.toString('utf8'), value: readSized(reader) })
  }
  if (reader.position - start !== length) throw new DecodeError('the length of a record is wrong')
  return { offset, timestamp, key, value, headers }
}

function readSized(reader: Reader): Buffer | null {
  const length = reader.varint()
  // Kafka takes every length below zero for null.
  return length < 0 ? null : reader.view(length)
}
