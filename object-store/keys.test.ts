import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { firstKeys } from './filesystem-list.ts'
import { clipRange, compareKeys } from './keys.ts'

const anyText = fc.string({ unit: 'binary' })

test('keys are ordered by their UTF-8 bytes', () => {
  const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  fc.assert(
    fc.property(anyText, anyText, anyText, (head, a, b) => {
      expect(Math.sign(compareKeys(head + a, head + b))).toBe(byBytes(head + a, head + b))
    }),
  )
})

test('the first keys are those of the whole order', () => {
  const keys = fc.uniqueArray(anyText, { maxLength: 200 })
  fc.assert(
    fc.property(keys, anyText, fc.integer({ min: 1, max: 30 }), (all, after, count) => {
      const expected = all
        .filter((key) => compareKeys(key, after) > 0)
        .sort(compareKeys)
        .slice(0, count)
      expect(firstKeys(all, after, count)).toEqual(expected)
    }),
  )
})

test('a clipped range lies in the object, and is what slice gives', () => {
  const size = fc.nat({ max: 20 })
  fc.assert(
    fc.property(size, size, size, (sizeBytes, first, second) => {
      const object = Buffer.from(Array.from({ length: sizeBytes }, (_, index) => index))
      const [start, end] = first < second ? [first, second] : [second, first]
      const part = (at: { start: number; length: number }) =>
        object.subarray(at.start, at.start + at.length)
      expect(part(clipRange({ start, end }, sizeBytes))).toEqual(object.subarray(start, end))
      const suffix = clipRange({ suffixBytes: first }, sizeBytes)
      expect(part(suffix)).toEqual(first === 0 ? Buffer.alloc(0) : object.subarray(-first))
      expect(suffix.length).toBe(Math.min(first, sizeBytes))
    }),
  )
})
