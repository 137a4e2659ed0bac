import { describe, expect, test } from '@jest/globals'
import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import { seededRandom } from '../../base/random.ts'
import type { BatchMeta } from '../wal/log-object.ts'
import { ProducerStates } from './producer-states.ts'

const PRODUCER = 4_000
const SEQUENCE_MAX = 2 ** 31 - 1
const NOW_MS = 1_700_000_000_000

interface Sent {
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence: number
  readonly count?: number
  readonly baseOffset: number
}

function batchOf(sent: Sent): BatchMeta {
  const { producerId = PRODUCER, producerEpoch = 0, baseSequence, count = 1, baseOffset } = sent
  const lastOffset = baseOffset + count - 1
  const common = { sizeBytes: 100, maxTimestampMs: 5, attributes: 0 }
  return { ...common, producerId, producerEpoch, baseSequence, baseOffset, lastOffset }
}

/** States with these batches, all durable below `highWatermark` as they were added. */
function statesWith(sent: readonly Sent[], highWatermark: number): ProducerStates {
  const states = new ProducerStates()
  for (const each of sent) states.add(batchOf(each), NOW_MS, highWatermark)
  return states
}

function decoded(states: ProducerStates, endOffset: number): ProducerStates {
  const writer = new ByteWriter()
  states.encode(writer, endOffset)
  const reader = new ByteReader(writer.finish())
  const copy = ProducerStates.decode(reader)
  expect(reader.remaining).toBe(0)
  return copy
}

describe('check', () => {
  test('a producer that nobody knows begins at 0: later batches may have overtaken its first', () => {
    const states = new ProducerStates()
    expect(states.check(PRODUCER, 3, 0, 5).verdict).toBe('next')
    for (const sequence of [1, 17, 100_000]) {
      expect(states.check(PRODUCER, 3, sequence, 5).verdict).toBe('out-of-order')
    }
    states.add(batchOf({ baseSequence: 0, count: 17, baseOffset: 0 }), NOW_MS, 100)
    expect(states.check(PRODUCER, 0, 17, 5).verdict).toBe('next')
  })

  test('where nothing can overtake, a producer that nobody knows goes on where it was', () => {
    const states = new ProducerStates()
    states.canOvertake = false
    expect(states.check(PRODUCER, 3, 17, 5).verdict).toBe('next')
    states.add(batchOf({ baseSequence: 17, count: 5, baseOffset: 0 }), NOW_MS, 100)
    expect(states.check(PRODUCER, 0, 22, 5).verdict).toBe('next')
    expect(states.check(PRODUCER, 0, 23, 5).verdict).toBe('out-of-order')
    // The next owner may get batches that were on their way to this one.
    expect(decoded(states, 100).check(PRODUCER + 1, 0, 17, 5).verdict).toBe('out-of-order')
  })

  test('a producer that may have been forgotten goes on anywhere, also with the next owner', () => {
    const states = statesWith([{ baseSequence: 0, count: 17, baseOffset: 0 }], 100)
    states.expire(NOW_MS + 1, 100)
    for (const each of [states, decoded(states, 100)]) {
      expect(each.check(PRODUCER, 0, 17, 5).verdict).toBe('next')
      expect(each.check(PRODUCER - 1, 0, 17, 5).verdict).toBe('next')
      expect(each.check(PRODUCER + 1, 0, 17, 5).verdict).toBe('out-of-order')
    }
  })

  test('a producer that was here long before begins anywhere: nothing can overtake so much', () => {
    const states = new ProducerStates()
    for (const sequence of [10_000_000, SEQUENCE_MAX]) {
      expect(states.check(PRODUCER, 3, sequence, 5).verdict).toBe('next')
    }
  })

  test('only what follows directly is next; what repeats exactly is a duplicate', () => {
    const states = statesWith([{ baseSequence: 0, count: 10, baseOffset: 50 }], 100)
    expect(states.check(PRODUCER, 0, 10, 3).verdict).toBe('next')
    expect(states.check(PRODUCER, 0, 0, 10)).toMatchObject({
      verdict: 'duplicate',
      of: { baseOffset: 50, lastOffset: 59 },
    })
    for (const [sequence, count] of [
      [0, 9],
      [0, 11],
      [1, 9],
      [9, 1],
      [11, 1],
      [5, 10],
    ] as const) {
      expect(states.check(PRODUCER, 0, sequence, count).verdict).toBe('out-of-order')
    }
  })

  test('sequences wrap from 2^31 - 1 to 0, within a batch and between batches', () => {
    const across = { baseSequence: SEQUENCE_MAX - 1, count: 5, baseOffset: 0 }
    const states = statesWith([across], 100)
    // MAX - 1, MAX, 0, 1, 2.
    expect(states.check(PRODUCER, 0, 3, 1).verdict).toBe('next')
    expect(states.check(PRODUCER, 0, SEQUENCE_MAX - 1, 5).verdict).toBe('duplicate')
    const before = statesWith([{ baseSequence: SEQUENCE_MAX, count: 1, baseOffset: 0 }], 100)
    expect(before.check(PRODUCER, 0, 0, 1).verdict).toBe('next')
    expect(before.check(PRODUCER, 0, 1, 1).verdict).toBe('out-of-order')
    const exact = statesWith([{ baseSequence: SEQUENCE_MAX - 4, count: 5, baseOffset: 0 }], 100)
    expect(exact.check(PRODUCER, 0, 0, 1).verdict).toBe('next')
  })

  test('a new epoch begins with sequence 0; the old one is over for good', () => {
    const states = statesWith([{ producerEpoch: 4, baseSequence: 20, baseOffset: 0 }], 100)
    expect(states.check(PRODUCER, 5, 0, 1).verdict).toBe('next')
    expect(states.check(PRODUCER, 5, 21, 1).verdict).toBe('out-of-order')
    expect(states.check(PRODUCER, 3, 0, 1).verdict).toBe('stale-epoch')
    states.add(batchOf({ producerEpoch: 5, baseSequence: 0, baseOffset: 1 }), NOW_MS, 100)
    expect(states.check(PRODUCER, 4, 20, 1).verdict).toBe('stale-epoch')
    expect(states.check(PRODUCER, 4, 21, 1).verdict).toBe('stale-epoch')
    // The same numbers as a batch of the old epoch, in the new one.
    expect(states.check(PRODUCER, 5, 20, 1).verdict).toBe('out-of-order')
    expect(states.check(PRODUCER, 5, 0, 1)).toMatchObject({
      verdict: 'duplicate',
      of: { baseOffset: 1 },
    })
  })

  test('the last five are recognised, older ones are not taken for something new', () => {
    const sent = Array.from({ length: 9 }, (_, index) => ({
      baseSequence: index * 2,
      count: 2,
      baseOffset: index * 2,
    }))
    // The sixth newest is durable already when the newest comes.
    const states = statesWith(sent, 1_000)
    sent.forEach(({ baseSequence }, index) => {
      expect(states.check(PRODUCER, 0, baseSequence, 2).verdict).toBe(
        index < 4 ? 'out-of-order' : 'duplicate',
      )
    })
  })

  test('producers do not see each other', () => {
    const states = statesWith([{ producerId: 1, baseSequence: 0, baseOffset: 0 }], 100)
    expect(states.check(2, 0, 0, 1).verdict).toBe('next')
    expect(states.check(1, 0, 5, 1).verdict).toBe('out-of-order')
  })
})

describe('what is kept', () => {
  test('five durable batches and all pending ones, however many were pending at once', () => {
    const states = new ProducerStates()
    const add = (index: number, highWatermark: number): void => {
      states.add(batchOf({ baseSequence: index, baseOffset: index }), NOW_MS, highWatermark)
    }
    const recognised = (from: number, to: number): number[] => {
      const found: number[] = []
      for (let sequence = from; sequence < to; sequence++) {
        if (states.check(PRODUCER, 0, sequence, 1).verdict === 'duplicate') found.push(sequence)
      }
      return found
    }
    for (let index = 0; index < 40; index++) add(index, 3)
    // 0-2 are durable, the others pending.
    expect(recognised(0, 40)).toHaveLength(40)
    // All durable but the newest: five of them, and that one.
    add(40, 40)
    expect(recognised(0, 41)).toEqual([35, 36, 37, 38, 39, 40])
    add(41, 40)
    expect(recognised(0, 42)).toEqual([35, 36, 37, 38, 39, 40, 41])
  })

  test('what is written is the durable part, its newest five: pending ones may never have been', () => {
    const sent = Array.from({ length: 12 }, (_, index) => ({
      baseSequence: index,
      baseOffset: index,
    }))
    const states = statesWith(sent, 0)
    const copy = decoded(states, 8)
    expect(copy.check(PRODUCER, 0, 8, 1).verdict).toBe('next')
    for (let sequence = 0; sequence < 8; sequence++) {
      expect(copy.check(PRODUCER, 0, sequence, 1).verdict).toBe(
        sequence < 3 ? 'out-of-order' : 'duplicate',
      )
    }
    // A batch that ends beyond is not durable, even if it begins below.
    const wide = statesWith([{ baseSequence: 0, count: 10, baseOffset: 0 }], 0)
    expect(decoded(wide, 5).size).toBe(0)
    expect(decoded(wide, 10).size).toBe(1)
  })

  test('a durable part that was read back judges as the whole did when only that was there', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed)
      const all = new ProducerStates()
      const durableOnly = new ProducerStates()
      const end = 40
      const verdicts: string[] = []
      const last = new Map<number, { epoch: number; next: number }>()
      let offset = 0
      while (offset < 80) {
        const producerId = random.below(3)
        const known = last.get(producerId)
        const bump = known !== undefined && random.below(10) === 0
        const epoch = (known?.epoch ?? 0) + (bump ? 1 : 0)
        const baseSequence = bump ? 0 : (known?.next ?? SEQUENCE_MAX - 6)
        const count = 1 + random.below(3)
        const batch = batchOf({
          producerId,
          producerEpoch: epoch,
          baseSequence,
          count,
          baseOffset: offset,
        })
        verdicts.push(all.check(producerId, epoch, baseSequence, count).verdict)
        all.add(batch, NOW_MS + offset, Math.min(offset, end))
        if (batch.lastOffset < end) durableOnly.add(batch, NOW_MS + offset, end)
        last.set(producerId, { epoch, next: (baseSequence + count) % (SEQUENCE_MAX + 1) })
        offset += count
      }
      const copy = decoded(all, end)
      const expected = decoded(durableOnly, end)
      expect([...copy.list()]).toEqual([...expected.list()])
      const questions = Array.from({ length: 300 }, () => {
        const sequence = random.below(2) === 0 ? random.below(60) : SEQUENCE_MAX - random.below(10)
        return [random.below(3), random.below(6), sequence, 1 + random.below(3)] as const
      })
      const answers = questions.map((asked) => copy.check(...asked))
      expect(answers).toEqual(questions.map((asked) => expected.check(...asked)))
      expect(new Set(verdicts)).toEqual(new Set(['next']))
    }
  })
})

describe('expire', () => {
  test('forgets who has not appended since, but nobody with something pending', () => {
    const states = new ProducerStates()
    states.add(batchOf({ producerId: 1, baseSequence: 0, baseOffset: 0 }), NOW_MS, 0)
    states.add(batchOf({ producerId: 2, baseSequence: 0, baseOffset: 1 }), NOW_MS, 0)
    states.add(batchOf({ producerId: 3, baseSequence: 0, baseOffset: 2 }), NOW_MS + 10, 0)
    states.add(batchOf({ producerId: 4, baseSequence: 0, baseOffset: 5 }), NOW_MS, 0)
    states.expire(NOW_MS, 5)
    expect(states.size).toBe(4)
    states.expire(NOW_MS + 1, 5)
    expect([...states.list()].map(({ producerId }) => producerId)).toEqual([3, 4])
  })

  test("goes by the broker's time, not by the time stamps of the data, also after a change of owner", () => {
    // Data of 1970, copied today: its producer retries, and must be recognised.
    const states = statesWith([{ baseSequence: 0, count: 5, baseOffset: 0 }], 100)
    for (const each of [states, decoded(states, 100)]) {
      each.expire(NOW_MS - 86_400_000, 100)
      expect(each.check(PRODUCER, 0, 0, 5).verdict).toBe('duplicate')
      each.expire(NOW_MS + 1, 100)
      expect(each.check(PRODUCER, 0, 0, 5).verdict).toBe('next')
    }
  })
})
