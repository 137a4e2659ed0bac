import { expect, test } from '@jest/globals'
import { ExpectedNodes } from './expected-nodes.ts'

test('those that are ordered and not there are missing, more than ordered are not', () => {
  const nodes = new ExpectedNodes()
  expect(nodes.missing(3, 0)).toBe(0)
  expect(nodes.order(6)).toBe(true)
  expect(nodes.missing(3, 1_000)).toBe(3)
  expect(nodes.missing(5, 1_100)).toBe(1)
  expect(nodes.missing(6, 1_200)).toBe(0)
  expect(nodes.missing(7, 1_300)).toBe(0)
})

test('they are waited for no longer than half a minute after the last that came', () => {
  const nodes = new ExpectedNodes()
  nodes.order(6)
  expect(nodes.missing(3, 0)).toBe(3)
  expect(nodes.missing(3, 20_000)).toBe(3)
  expect(nodes.missing(4, 29_000)).toBe(2)
  expect(nodes.missing(4, 58_000)).toBe(2)
  expect(nodes.missing(4, 59_000)).toBe(0)
  expect(nodes.order(6)).toBe(false)
  expect(nodes.missing(4, 60_000)).toBe(0)
  expect(nodes.order(7)).toBe(true)
  expect(nodes.missing(4, 61_000)).toBe(3)
})

test('one that goes and comes again and again does not have the others wait for ever', () => {
  const nodes = new ExpectedNodes()
  nodes.order(10)
  for (let nowMs = 0; nowMs < 300_000; nowMs += 1_000) {
    const missing = nodes.missing(nowMs % 20_000 < 2_000 ? 8 : 9, nowMs)
    if (nowMs >= 40_000) expect({ nowMs, missing }).toEqual({ nowMs, missing: 0 })
  }
})

test('one that dies when all are there is waited for once more', () => {
  const nodes = new ExpectedNodes()
  nodes.order(6)
  expect(nodes.missing(6, 100_000)).toBe(0)
  expect(nodes.missing(5, 200_000)).toBe(1)
  expect(nodes.missing(5, 229_000)).toBe(1)
  expect(nodes.missing(5, 230_000)).toBe(0)
})
