import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { DecodeError } from './codec.ts'
import { findRecord } from './records.ts'
import {
  attributes,
  baseOffset,
  BATCH_HEADER_BYTES,
  buildBatch,
  computeCrc,
  crc,
  decodeRecords,
  LOG_APPEND_TIME_BIT,
  maxTimestamp,
  partitionLeaderEpoch,
  recordsCount,
  setBaseOffset,
  setCrc,
  setLeaderEpoch,
  setLogAppendTime,
  validateBatch,
} from './record-batch.ts'

const key = Buffer.from('key')
const value = Buffer.from('value')

function sample(options = {}): Buffer {
  const records = [
    { key, value, timestamp: 1_700_000_000_000 },
    { key: null, value: null, timestamp: 1_700_000_000_500, headers: [{ key: 'h', value }] },
    { key, value: Buffer.alloc(1000, 3), timestamp: 1_699_999_999_999 },
  ]
  return buildBatch(records, options)
}

/** The batch with some header bytes changed and its CRC made right again. */
function patched(patch: (batch: Buffer) => void): Buffer {
  const batch = sample()
  patch(batch)
  setCrc(batch, 0)
  return batch
}

/** A batch whose header says that it has so many bytes after its first twelve. */
function headerOf(length: number): Buffer {
  const batch = sample()
  batch.writeInt32BE(length, 8)
  return batch
}

describe('a built batch', () => {
  test('gives back its records', () => {
    const records = decodeRecords(sample({ baseOffset: 2 ** 40 }))
    expect(records.map((record) => record.offset - 2 ** 40)).toEqual([0, 1, 2])
    expect(records.map((record) => record.timestamp - 1_700_000_000_000)).toEqual([0, 500, -1])
    expect(records[1]).toMatchObject({ key: null, value: null, headers: [{ key: 'h', value }] })
    expect(records[2]?.value).toEqual(Buffer.alloc(1000, 3))
  })

  test('gives back any records', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 400 }).map((part) => Buffer.from(part)))
    const record = fc.record({
      key: bytes,
      value: bytes,
      timestamp: fc.nat({ max: 2 ** 47 }),
      headers: fc.array(fc.record({ key: fc.string(), value: bytes }), { maxLength: 3 }),
    })
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
        const batch = buildBatch(records)
        expect(validateBatch(batch).error).toBeNull()
        const expected = records.map((each, offset) => ({ ...each, offset }))
        expect(decodeRecords(batch)).toEqual(expected)
      }),
    )
  })
})

describe('patching in place', () => {
  test('offset and leader epoch leave the CRC right', () => {
    const batch = Buffer.concat([Buffer.alloc(7), sample()])
    setBaseOffset(batch, 7, 2 ** 45 + 3)
    setLeaderEpoch(batch, 7, 12)
    expect(baseOffset(batch, 7)).toBe(2 ** 45 + 3)
    expect(partitionLeaderEpoch(batch, 7)).toBe(12)
    setBaseOffset(batch, 7, 0)
    expect(validateBatch(batch.subarray(7)).error).toBeNull()
  })

  test('the time of append becomes the time of every record', () => {
    const batch = sample()
    setLogAppendTime(batch, 0, 1_800_000_000_000)
    expect(attributes(batch) & LOG_APPEND_TIME_BIT).not.toBe(0)
    expect(maxTimestamp(batch)).toBe(1_800_000_000_000)
    expect(computeCrc(batch)).toBe(crc(batch))
    for (const record of decodeRecords(batch)) expect(record.timestamp).toBe(1_800_000_000_000)
  })
})

describe('validating', () => {
  test('tells what a partition needs to know', () => {
    const batch = sample({ producerId: 77, producerEpoch: 3, baseSequence: 9, transactional: true })
    expect(validateBatch(batch).batch).toEqual({
      sizeBytes: batch.length,
      recordsCount: 3,
      baseTimestamp: 1_700_000_000_000,
      maxTimestamp: 1_700_000_000_500,
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 9,
      attributes: 0x10,
      codec: 0,
      transactional: true,
    })
  })

  test('takes one batch alone; the beginning of another one behind it is let pass', () => {
    const batch = sample()
    expect(validateBatch(Buffer.concat([batch, batch])).error).toBe('invalid-record')
    const cut = Buffer.concat([batch, batch.subarray(0, 100)])
    expect(validateBatch(cut).batch?.sizeBytes).toBe(batch.length)
    const garbage = Buffer.concat([batch, Buffer.alloc(12)])
    expect(validateBatch(garbage).error).toBe('corrupt-message')
  })

  test.each([
    ['nothing', Buffer.alloc(0), 'invalid-record'],
    ['a cut header', sample().subarray(0, 40), 'invalid-record'],
    ['a cut batch', sample().subarray(0, 200), 'invalid-record'],
    ['a length below its header', headerOf(48), 'corrupt-message'],
    ['a length that is none', headerOf(13), 'corrupt-message'],
    ['magic 1', patched((batch) => batch.writeInt8(1, 16)), 'invalid-record'],
    ['magic 3', patched((batch) => batch.writeInt8(3, 16)), 'corrupt-message'],
    ['codec 5', patched((batch) => batch.writeInt16BE(5, 21)), 'unsupported-compression'],
    ['a control batch', patched((batch) => batch.writeInt16BE(0x20, 21)), 'invalid-record'],
    ['a wrong last offset', patched((batch) => batch.writeInt32BE(7, 23)), 'invalid-record'],
    ['no records', patched((batch) => batch.writeInt32BE(0, 57)), 'invalid-record'],
    ['a producer id alone', patched((batch) => batch.writeInt32BE(1, 43)), 'invalid-record'],
    [
      'no producer in a transaction',
      patched((batch) => batch.writeInt16BE(0x10, 21)),
      'invalid-record',
    ],
    [
      'a far timestamp',
      patched((batch) => batch.writeInt32BE(0x7fffffff, 35)),
      'invalid-timestamp',
    ],
    ['another base offset', patched((batch) => batch.writeInt8(1, 7)), 'invalid-record'],
    ['a producer without an epoch', sample({ producerId: 7, baseSequence: 0 }), 'stale-epoch'],
    [
      'a producer without a sequence',
      sample({ producerId: 7, producerEpoch: 0 }),
      'invalid-record',
    ],
    [
      'more records than bytes',
      patched((batch) => {
        batch.writeInt32BE(999_999, 23)
        batch.writeInt32BE(1_000_000, 57)
      }),
      'invalid-record',
    ],
  ])('refuses %s', (_name, records, error) => {
    expect(validateBatch(records).error).toBe(error)
  })

  test('refuses what is larger than its topic allows, whatever else is wrong with it', () => {
    const batch = sample()
    const { length } = batch
    expect(validateBatch(batch, { messageBytesMax: length }).error).toBeNull()
    batch.writeInt8(1, length - 1)
    expect(validateBatch(batch, { messageBytesMax: length - 1 }).error).toBe('too-large')
  })

  test('refuses zstd where the version does not have it', () => {
    const batch = patched((bytes) => bytes.writeInt16BE(4, 21))
    expect(validateBatch(batch).error).toBeNull()
    expect(validateBatch(batch, { zstdAllowed: false }).error).toBe('unsupported-compression')
  })

  test('finds any changed byte after the leader epoch', () => {
    const batch = sample()
    const position = fc.integer({ min: 16, max: batch.length - 1 })
    fc.assert(
      fc.property(position, fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(batch)
        changed.writeUInt8(changed.readUInt8(at) ^ change, at)
        expect(validateBatch(changed).error).not.toBeNull()
      }),
    )
  })
})

test('numbers are read as Kafka reads them: int32s lose bits, a length below zero is null', () => {
  // Length, attributes, time delta, offset delta, key, value, headers. The first of five bytes with
  // bits that an int32 has not, the time an int64, and a key of -2 bytes.
  const record = 'a080808070 00 feffffffffffffffff01 00 03 02 61 00'
  const header = sample().subarray(0, BATCH_HEADER_BYTES)
  const batch = Buffer.concat([header, Buffer.from(record.replaceAll(' ', ''), 'hex')])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt32BE(1, 57)
  expect(decodeRecords(batch)).toEqual([
    { offset: 0, timestamp: Number.NaN, key: null, value: Buffer.from('a'), headers: [] },
  ])
  const found = findRecord(batch, 0, batch.subarray(BATCH_HEADER_BYTES), () => true)
  expect(found).toEqual({ offset: 0, timestampMs: Number.NaN })
})

test('malformed records are a DecodeError', () => {
  const batch = sample()
  const position = fc.integer({ min: BATCH_HEADER_BYTES - 8, max: batch.length - 1 })
  fc.assert(
    fc.property(position, fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(batch)
      changed.writeUInt8(changed.readUInt8(at) ^ change, at)
      try {
        expect(decodeRecords(changed).length).toBe(recordsCount(changed))
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }),
    { numRuns: 1000 },
  )
})
