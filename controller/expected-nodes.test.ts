import { expect, test } from '@jest/globals'
import { ExpectedNodes } from './expected-nodes.ts'

test('those that are ordered and not there are missing, more than ordered are not', () => {
  const nodes = new ExpectedNodes()
  expect(nodes.missing(3, 0)).toBe(0)
  expect(nodes.order(6, 1_000)).toBe(true)
  expect(nodes.missing(3, 1_000)).toBe(3)
  expect(nodes.missing(5, 1_100)).toBe(1)
  expect(nodes.missing(6, 1_200)).toBe(0)
  expect(nodes.missing(7, 1_300)).toBe(0)
})

test('they are waited for no longer than half a minute after the last news', () => {
  const nodes = new ExpectedNodes()
  nodes.order(6, 0)
  expect(nodes.missing(3, 20_000)).toBe(3)
  expect(nodes.missing(4, 29_000)).toBe(2)
  expect(nodes.missing(4, 58_000)).toBe(2)
  expect(nodes.missing(4, 59_000)).toBe(0)
  expect(nodes.order(6, 60_000)).toBe(false)
  expect(nodes.missing(4, 60_000)).toBe(0)
  expect(nodes.order(7, 61_000)).toBe(true)
  expect(nodes.missing(4, 61_000)).toBe(3)
})
