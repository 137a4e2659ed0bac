import { describe, expect, test } from '@jest/globals'
import { quantityMilli } from './quantity.ts'

describe('quantities', () => {
  test.each([
    ['60M', 60_000_000_000],
    ['800m', 800],
    ['0.8', 800],
    ['.5', 500],
    ['5.', 5000],
    ['1', 1000],
    [4, 4000],
    [0.05, 50],
    ['1.1', 1100],
    ['2e3', 2_000_000],
    ['2E3', 2_000_000],
    ['1e-3', 1],
    ['1E', null], // 10^18 thousandths of thousands: beyond what a double holds exactly
    ['1Ki', 1_024_000],
    ['1.5Gi', 1_610_612_736_000],
    ['+3k', 3_000_000],
    ['0', 0],
    ['-0', 0],
  ])('%s is %s thousandths', (text, milli) => {
    expect(quantityMilli(text)).toBe(milli)
  })

  test.each([
    ['1u', 1],
    ['999n', 1],
    ['1.0001', 1001],
    ['0.0001', 1],
  ])('%s is rounded up to %s thousandths, as Kubernetes does', (text, milli) => {
    expect(quantityMilli(text)).toBe(milli)
  })

  test.each(['', 'M', '60 M', '60MB', '60mi', '1e', '1e99', '--1', '1.2.3', '.', '-5', 'NaN'])(
    '%p is no quantity we take',
    (text) => {
      expect(quantityMilli(text)).toBeNull()
    },
  )
})
