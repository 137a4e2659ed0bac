import { expect, test } from '@jest/globals'
import { FRESH_MS_MAX, RecentCalls } from './recent-calls.ts'

test('a call is taken once', () => {
  const calls = new RecentCalls()
  expect(calls.take('a', 1_000, 1_000)).toBe(true)
  expect(calls.take('a', 1_000, 1_001)).toBe(false)
  expect(calls.take('b', 1_000, 1_001)).toBe(true)
})

test('it is taken by clocks that differ a little, not when it is old, of the future, or of no time', () => {
  const calls = new RecentCalls()
  expect(calls.take('a', 0, FRESH_MS_MAX)).toBe(true)
  expect(calls.take('b', 2 * FRESH_MS_MAX, FRESH_MS_MAX)).toBe(true)
  expect(calls.take('c', 0, FRESH_MS_MAX + 1)).toBe(false)
  expect(calls.take('d', 2 * FRESH_MS_MAX + 1, FRESH_MS_MAX)).toBe(false)
  expect(calls.take('e', Number.NaN, FRESH_MS_MAX)).toBe(false)
})

test('whenever it is said again, it is refused: as a repetition, or as old', () => {
  for (let firstMs = 0; firstMs < 200_000; firstMs += 7_000) {
    const calls = new RecentCalls()
    // Others come all the while, so that what is remembered moves on.
    const sentMs = firstMs + FRESH_MS_MAX
    let taken = 0
    for (let nowMs = 0; nowMs < 600_000; nowMs += 1_000) {
      calls.take(`other-${nowMs}`, nowMs, nowMs)
      if (nowMs >= firstMs && calls.take('it', sentMs, nowMs)) taken++
    }
    expect({ firstMs, taken }).toEqual({ firstMs, taken: 1 })
  }
})

test('a flood is refused, not remembered', () => {
  const calls = new RecentCalls()
  for (let count = 0; count < 100_000; count++) calls.take(`${count}`, 0, 0)
  expect(calls.take('one more', 0, 0)).toBe(false)
  expect(calls.take('later', 70_000, 70_000)).toBe(true)
})
