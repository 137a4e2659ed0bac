import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { SequenceCheck } from './sequence-check.ts'

/** The findings of one partition that holds these numbers at the offsets 0, 1, 2, … */
function findingsOf(sequences: readonly number[]) {
  const check = new SequenceCheck(1)
  sequences.forEach((sequence, offset) => {
    check.record(0, offset, sequence)
  })
  return check.findings()
}

describe('the check of the demo', () => {
  test.each([
    ['a whole sequence', [0, 1, 2, 3], { missing: 0, duplicated: 0 }],
    ['a record that was lost', [0, 1, 3], { missing: 1, duplicated: 0 }],
    ['several that were lost', [4], { missing: 4, duplicated: 0 }],
    ['a record that was written twice', [0, 1, 1, 2], { missing: 0, duplicated: 1 }],
    ['a batch that was written twice', [0, 1, 2, 0, 1, 2, 3], { missing: 0, duplicated: 3 }],
    ['two that changed places', [0, 2, 1, 3], { missing: 1, duplicated: 1 }],
  ])('%s', (_, sequences, expected) => {
    expect(findingsOf(sequences)).toMatchObject(expected)
  })

  test('a record that is handed out again at its offset is no duplicate', () => {
    const check = new SequenceCheck(1)
    for (const offset of [0, 1, 2, 1, 2, 3]) check.record(0, offset, offset)
    expect(check.findings()).toEqual({ read: 4, missing: 0, duplicated: 0, misplaced: 0 })
  })

  test('offsets with a gap are told', () => {
    const check = new SequenceCheck(1)
    check.record(0, 0, 0)
    check.record(0, 2, 1)
    expect(check.findings()).toMatchObject({ missing: 0, misplaced: 1 })
  })

  test('partitions are apart, and all is read once each reached its end', () => {
    const check = new SequenceCheck(2)
    check.record(0, 0, 0)
    expect(check.hasAll([1, 1])).toBe(false)
    check.record(1, 0, 0)
    expect(check.hasAll([1, 1])).toBe(true)
    expect(check.findings()).toMatchObject({ read: 2, missing: 0, duplicated: 0 })
  })

  test('whatever is left out of a sequence counts as missing', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (numbers) => {
        const sequences = [...numbers].sort((a, b) => a - b)
        const end = (sequences.at(-1) ?? -1) + 1
        const { missing, duplicated } = findingsOf(sequences)
        expect({ missing, duplicated }).toEqual({ missing: end - sequences.length, duplicated: 0 })
      }),
    )
  })
})
