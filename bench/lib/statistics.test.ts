import { describe, expect, test } from '@jest/globals'
import { alternation, pairRatios, percentile, spreadOf } from './statistics.ts'

describe('statistics', () => {
  test('a percentile is a value that was measured', () => {
    const values = [50, 10, 40, 20, 30]
    expect(percentile(values, 0.5)).toBe(30)
    expect(percentile(values, 0.99)).toBe(50)
    expect(percentile(values, 0)).toBe(10)
    expect(percentile([], 0.5)).toBeNaN()
  })

  test('the median of an even count lies between the middle two', () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4, count: 4 })
    expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7, count: 1 })
  })

  test('a slower machine for one pair does not change the ratio', () => {
    expect(pairRatios([200, 100], [100, 50])).toEqual({ median: 2, min: 2, max: 2, count: 2 })
  })

  test('whoever is measured second in one pair is first in the next', () => {
    expect(alternation('a', 'b', 2).join('')).toBe('abbaabba')
  })
})
