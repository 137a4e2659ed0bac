import { describe, expect, test } from '@jest/globals'
import { type Random, seededRandom } from '../../base/random.ts'
import type { BatchMeta } from '../wal/log-object.ts'
import {
  decodeHotState,
  emptyHotState,
  encodeHotState,
  type HotState,
  replayRun,
} from './hot-state.ts'
import { runOf } from './run-table.ts'

const NOW_MS = 1_700_000_000_000

interface Step {
  readonly leaderEpoch: number
  readonly seq: number
  readonly batches: readonly BatchMeta[]
}

/** What one partition's log says, step by step. */
function randomSteps(random: Random, count: number): Step[] {
  const steps: Step[] = []
  const sequences = new Map<number, number>()
  let offset = 0
  let leaderEpoch = random.below(3)
  for (let seq = 0; seq < count; seq++) {
    if (random.below(4) === 0) leaderEpoch += 1 + random.below(2)
    const batches = Array.from({ length: 1 + random.below(4) }, (): BatchMeta => {
      const producerId = random.below(4) - 1
      const records = 1 + random.below(5)
      const baseSequence = producerId < 0 ? -1 : (sequences.get(producerId) ?? 0)
      sequences.set(producerId, baseSequence + records)
      const baseOffset = offset
      offset += records
      return {
        baseOffset,
        lastOffset: offset - 1,
        sizeBytes: 61 + random.below(500),
        maxTimestampMs: random.below(1_000),
        attributes: 0,
        producerId,
        producerEpoch: producerId < 0 ? -1 : 2,
        baseSequence,
      }
    })
    steps.push({ leaderEpoch, seq, batches })
  }
  return steps
}

function replay(state: HotState, steps: readonly Step[]): HotState {
  for (const { leaderEpoch, seq, batches } of steps) {
    const run = runOf({ nodeId: 1 + (leaderEpoch % 3), seq, position: 64 }, batches)
    replayRun(state, run, leaderEpoch, { batches, nowMs: NOW_MS })
  }
  return state
}

describe('a hot state', () => {
  test('written in the midst and replayed from there is as if it had been replayed whole', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed)
      const steps = randomSteps(random, random.below(30))
      const whole = encodeHotState(replay(emptyHotState(), steps))
      const at = random.below(steps.length + 1)
      const half = encodeHotState(replay(emptyHotState(), steps.slice(0, at)))
      const resumed = encodeHotState(replay(decodeHotState(half), steps.slice(at)))
      expect({ seed, same: resumed.equals(whole) }).toEqual({ seed, same: true })
      const state = decodeHotState(whole)
      expect(encodeHotState(state)).toEqual(whole)
      const last = steps[steps.length - 1]?.batches.at(-1)
      expect(state.endOffset).toBe((last?.lastOffset ?? -1) + 1)
    }
  })

  test('its epochs are those that wrote, each with the offset it began at', () => {
    const steps = randomSteps(seededRandom(9), 40)
    const state = replay(emptyHotState(), steps)
    const expected = new Map<number, number>()
    for (const { leaderEpoch, batches } of steps) {
      if (!expected.has(leaderEpoch)) expected.set(leaderEpoch, batches[0]?.baseOffset ?? -1)
    }
    expect(state.epochs).toEqual(
      [...expected].map(([leaderEpoch, startOffset]) => ({ leaderEpoch, startOffset })),
    )
  })

  test('no gap, no overlap and no older epoch is ever replayed', () => {
    const [first, second] = randomSteps(seededRandom(1), 2) as [Step, Step]
    const again = (): HotState => replay(emptyHotState(), [first])
    expect(() => replay(again(), [first])).toThrow('follows the end offset')
    const shifted = second.batches.map((batch) => ({
      ...batch,
      baseOffset: batch.baseOffset + 1,
      lastOffset: batch.lastOffset + 1,
    }))
    expect(() => replay(again(), [{ ...second, batches: shifted }])).toThrow('end offset')
    expect(() => replay(again(), [{ ...second, leaderEpoch: first.leaderEpoch - 1 }])).toThrow(
      'only rise',
    )
  })

  test('bytes that are none are refused, cut off anywhere', () => {
    const bytes = encodeHotState(replay(emptyHotState(), randomSteps(seededRandom(3), 10)))
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeHotState(bytes.subarray(0, length))).toThrow()
    }
    expect(() => decodeHotState(Buffer.concat([Buffer.from([99]), bytes]))).toThrow('version')
  })
})
