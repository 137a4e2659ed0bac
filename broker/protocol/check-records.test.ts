import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { BATCH_HEADER_BYTES } from './batch-header.ts'
import { buildBatch, type RecordInput } from './build-batch.ts'
import {
  checkRecords,
  RECORD_ERRORS_MAX,
  type RecordRules,
  withDenseOffsets,
} from './check-records.ts'

const RULES: RecordRules = {
  recordsCount: 1,
  baseTimestamp: 0,
  appendTimeMs: null,
  keysRequired: false,
  createTime: true,
  timestampMin: Number.NEGATIVE_INFINITY,
  timestampMax: Number.POSITIVE_INFINITY,
}

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }))
const record: fc.Arbitrary<RecordInput> = fc.record({
  key: bytes,
  value: bytes,
  timestamp: fc.nat({ max: 2 ** 45 }),
  headers: fc.array(fc.record({ key: fc.string(), value: bytes }), { maxLength: 3 }),
})
const records = fc.array(record, { minLength: 1, maxLength: 10 })

function recordsOf(inputs: readonly RecordInput[]): Buffer {
  return buildBatch(inputs).subarray(BATCH_HEADER_BYTES)
}

test('records as clients write them are in order, wherever in a buffer they are', () => {
  fc.assert(
    fc.property(records, fc.nat({ max: 40 }), (inputs, margin) => {
      const plain = recordsOf(inputs)
      const buffer = Buffer.concat([Buffer.alloc(margin, 0xff), plain, Buffer.alloc(margin, 0xff)])
      const baseTimestamp = inputs[0]?.timestamp ?? 0
      const rules = { ...RULES, recordsCount: inputs.length, baseTimestamp }
      expect(checkRecords(buffer, margin, margin + plain.length, rules)).toEqual({
        fault: null,
        errors: [],
        maxTimestamp: Math.max(...inputs.map(({ timestamp }) => timestamp)),
        isDense: true,
      })
    }),
  )
})

test('records that are cut off or go on are faulty, though more bytes follow', () => {
  fc.assert(
    fc.property(records, fc.integer({ min: 1, max: 40 }), (inputs, change) => {
      const plain = recordsOf(inputs)
      const rules = { ...RULES, recordsCount: inputs.length }
      const buffer = Buffer.concat([plain, plain])
      for (const end of [plain.length - change, plain.length + change]) {
        expect(checkRecords(buffer, 0, Math.max(0, end), rules).fault).not.toBeNull()
      }
      for (const recordsCount of [inputs.length - 1, inputs.length + 1]) {
        const other = checkRecords(plain, 0, plain.length, { ...rules, recordsCount })
        expect(other.fault).not.toBeNull()
      }
    }),
  )
})

test('any bytes get an answer, also for more records than there can be', () => {
  const odd = fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff)
  const garbage = fc.array(fc.oneof(odd, fc.nat({ max: 255 })), { maxLength: 60 })
  fc.assert(
    fc.property(garbage, fc.constantFrom(1, 2, 2 ** 31 - 1), (content, recordsCount) => {
      const buffer = Buffer.from(content)
      const checked = checkRecords(buffer, 0, buffer.length, { ...RULES, recordsCount })
      if (checked.fault !== null) return
      // Seven bytes are the least that a record has.
      expect(recordsCount * 7).toBeLessThanOrEqual(buffer.length)
    }),
    { numRuns: 5_000 },
  )
})

test('of very many refused records only the first ones are named', () => {
  const inputs = Array.from({ length: RECORD_ERRORS_MAX + 5 }, () => {
    return { key: null, value: null, timestamp: 0 }
  })
  const plain = recordsOf(inputs)
  const rules = { ...RULES, recordsCount: inputs.length, keysRequired: true }
  const { fault, errors } = checkRecords(plain, 0, plain.length, rules)
  expect(fault).toBeNull()
  expect(errors.map(({ batchIndex }) => batchIndex)).toEqual(
    Array.from({ length: RECORD_ERRORS_MAX }, (_, index) => index),
  )
})

test('wrong offsets are put right, and nothing else is changed', () => {
  fc.assert(
    fc.property(records, (inputs) => {
      const plain = recordsOf(inputs)
      const last = recordsOf(inputs.slice(-1))
      // The last record once more, with its offset of 0 that it has alone.
      const odd = Buffer.concat([plain, last])
      const rules = { ...RULES, recordsCount: inputs.length + 1 }
      expect(checkRecords(odd, 0, odd.length, rules)).toMatchObject({ fault: null, isDense: false })
      const dense = withDenseOffsets(odd, rules.recordsCount)
      expect(checkRecords(dense, 0, dense.length, rules)).toMatchObject({
        fault: null,
        isDense: true,
      })
      expect(withDenseOffsets(plain, inputs.length).equals(plain)).toBe(true)
    }),
  )
})

test('of millions of tiny records wrong offsets are put right without an object for each', () => {
  const record = Buffer.from([12, 0, 0, 0, 0, 1, 0])
  const recordsCount = 2_000_000
  const odd = Buffer.alloc(record.length * recordsCount, record)
  const rules = { ...RULES, recordsCount }
  expect(checkRecords(odd, 0, odd.length, rules)).toMatchObject({ fault: null, isDense: false })
  const heapBefore = process.memoryUsage().heapUsed
  const dense = withDenseOffsets(odd, recordsCount)
  expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(64 * 1024 * 1024)
  expect(checkRecords(dense, 0, dense.length, rules)).toMatchObject({ fault: null, isDense: true })
})
