import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { inRemovalOrder, type ScaleInCandidate } from './removal-order.ts'

const MB = 1_000_000

function broker(sequence: number, rest: Partial<ScaleInCandidate> = {}): ScaleInCandidate {
  return {
    sequence,
    ready: true,
    partitions: 4,
    bytesPerSecond: 4 * MB,
    controller: false,
    ...rest,
  }
}

test.each([
  ['fewest partitions first', [broker(1), broker(2, { partitions: 2 }), broker(3)], 2],
  ['least traffic first', [broker(1), broker(2), broker(3, { bytesPerSecond: MB })], 3],
  [
    'a busy partition is dearer than two idle ones',
    [
      broker(1, { partitions: 4, bytesPerSecond: 9 * MB }),
      broker(2, { partitions: 5, bytesPerSecond: 1 * MB }),
    ],
    2,
  ],
  ['among equals not the newest', [broker(1), broker(2), broker(3)], 1],
  ['among equals not the controller', [broker(1, { controller: true }), broker(2)], 2],
  ['a broker that does not serve yet before all', [broker(1), broker(2, { ready: false })], 2],
  ['of those the newest', [broker(1), broker(2, { ready: false }), broker(3, { ready: false })], 3],
])('%s', (_, candidates, first) => {
  expect(inRemovalOrder(candidates)[0]?.sequence).toBe(first)
})

test('the newest of several brokers goes first only if it is cheaper', () => {
  const candidate = fc.record({
    ready: fc.constant(true),
    partitions: fc.nat(100),
    bytesPerSecond: fc.nat(100 * MB),
    controller: fc.constant(false),
  })
  fc.assert(
    fc.property(fc.array(candidate, { minLength: 2, maxLength: 20 }), (list) => {
      const brokers = list.map((each, sequence) => ({ ...each, sequence }))
      const order = inRemovalOrder(brokers)
      expect(new Set(order)).toEqual(new Set(brokers))
      const newest = brokers.length - 1
      if (order[0]?.sequence !== newest) return
      const others = order.slice(1)
      const dearer = others.every(
        (other) =>
          other.partitions > (order[0]?.partitions ?? 0) ||
          other.bytesPerSecond > (order[0]?.bytesPerSecond ?? 0),
      )
      expect(dearer).toBe(true)
    }),
  )
})
