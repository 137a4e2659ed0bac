import { describe, expect, test } from '@jest/globals'
import { randomUuid, seededRandom } from '../../base/random.ts'
import { type ClosedEpoch, decodeHandoff, handoffMessages, Hints } from './handoff.ts'

const MEBIBYTE = 1024 * 1024

function epochs(count: number, stateBytes: number): ClosedEpoch[] {
  const random = seededRandom(count)
  return Array.from({ length: count }, (_, partition) => ({
    topicId: randomUuid(random),
    partition,
    leaderEpoch: random.below(100),
    state: Buffer.alloc(stateBytes, partition),
  }))
}

describe('handoff messages', () => {
  test.each([
    [0, 10],
    [1, 0],
    [100, 1_000],
    [30, 300_000],
    [3, 6 * MEBIBYTE],
  ])(
    '%i epochs of %i bytes arrive whole and in order, in messages of bounded size',
    (count, bytes) => {
      const sent = epochs(count, bytes)
      const received: ClosedEpoch[] = []
      for (const body of handoffMessages(7, sent)) {
        const decoded = decodeHandoff(body)
        expect(decoded.nodeId).toBe(7)
        expect(decoded.epochs.length).toBeGreaterThan(0)
        expect(body.length < 5 * MEBIBYTE || decoded.epochs.length === 1).toBe(true)
        received.push(...decoded.epochs)
      }
      const same = received.filter(
        ({ topicId, partition, leaderEpoch, state }, at) =>
          topicId === sent[at]?.topicId &&
          partition === sent[at].partition &&
          leaderEpoch === sent[at].leaderEpoch &&
          state.equals(sent[at].state),
      )
      expect([received.length, same.length]).toEqual([count, count])
    },
  )

  test('what is none throws, cut off anywhere', () => {
    const [body] = [...handoffMessages(7, epochs(3, 20))] as [Buffer]
    for (let length = 0; length < body.length; length++) {
      expect(() => decodeHandoff(body.subarray(0, length))).toThrow(RangeError)
    }
  })
})

describe('Hints', () => {
  test('a hint is for one epoch of one partition from one node, and is given out once', () => {
    const hints = new Hints()
    const [epoch] = epochs(1, 10) as [ClosedEpoch]
    hints.add(1, [epoch])
    expect(hints.take(2, epoch)).toBeNull()
    expect(hints.take(1, { ...epoch, leaderEpoch: epoch.leaderEpoch + 1 })).toBeNull()
    expect(hints.take(1, { ...epoch, partition: 5 })).toBeNull()
    expect(hints.take(1, epoch)).toEqual(epoch.state)
    expect(hints.take(1, epoch)).toBeNull()
    expect(hints.bytes).toBe(0)
  })

  test('those that nobody asks for are bounded in bytes; the newest stay', () => {
    const hints = new Hints(100_000)
    const sent = epochs(500, 1_000)
    for (const epoch of sent) {
      hints.add(1, [epoch])
      hints.add(1, [epoch])
      expect(hints.bytes).toBeLessThanOrEqual(100_000)
    }
    const kept = sent.filter((epoch) => hints.take(1, epoch) !== null)
    expect(kept.length).toBeGreaterThan(50)
    expect(kept).toEqual(sent.slice(-kept.length))
    expect(hints.bytes).toBe(0)
  })

  test('a hint does not hold on to the message that it came in', () => {
    const hints = new Hints()
    const [body] = [...handoffMessages(1, epochs(3, 50_000))] as [Buffer]
    const received = decodeHandoff(body)
    hints.add(1, received.epochs)
    const [first] = received.epochs as [ClosedEpoch]
    expect(hints.take(1, first)?.buffer).not.toBe(body.buffer)
  })
})
