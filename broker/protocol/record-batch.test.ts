import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { DecodeError } from './codec.ts'
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
  validateBatches,
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
        expect(validateBatches(batch).error).toBeNull()
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
    expect(validateBatches(batch.subarray(7)).error).toBeNull()
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
    expect(validateBatches(batch).batches).toEqual([
      {
        position: 0,
        sizeBytes: batch.length,
        recordsCount: 3,
        lastOffsetDelta: 2,
        baseTimestamp: 1_700_000_000_000,
        maxTimestamp: 1_700_000_000_500,
        producerId: 77,
        producerEpoch: 3,
        baseSequence: 9,
        attributes: 0x10,
        transactional: true,
      },
    ])
  })

  test('walks several batches where they are allowed', () => {
    const batch = sample()
    const two = Buffer.concat([batch, batch])
    expect(validateBatches(two).error).toBe('invalid-record')
    const { batches } = validateBatches(two, { batchesMax: 2 })
    expect(batches.map((info) => info.position)).toEqual([0, batch.length])
  })

  test.each([
    ['nothing', Buffer.alloc(0), 'invalid-record'],
    ['a cut header', sample().subarray(0, 40), 'corrupt-message'],
    ['a cut batch', sample().subarray(0, 200), 'corrupt-message'],
    ['magic 1', patched((batch) => batch.writeInt8(1, 16)), 'unsupported-for-message-format'],
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
    ['a far timestamp', patched((batch) => batch.writeInt32BE(0x7fffffff, 35)), 'invalid-record'],
    [
      'more records than bytes',
      patched((batch) => {
        batch.writeInt32BE(999_999, 23)
        batch.writeInt32BE(1_000_000, 57)
      }),
      'invalid-record',
    ],
  ])('refuses %s', (_name, records, error) => {
    expect(validateBatches(records).error).toBe(error)
  })

  test('refuses zstd where the version does not have it', () => {
    const batch = patched((bytes) => bytes.writeInt16BE(4, 21))
    expect(validateBatches(batch).error).toBeNull()
    expect(validateBatches(batch, { zstdAllowed: false }).error).toBe('unsupported-compression')
  })

  test('finds any changed byte after the leader epoch', () => {
    const batch = sample()
    const position = fc.integer({ min: 16, max: batch.length - 1 })
    fc.assert(
      fc.property(position, fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(batch)
        changed.writeUInt8(changed.readUInt8(at) ^ change, at)
        expect(validateBatches(changed).error).not.toBeNull()
      }),
    )
  })
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
