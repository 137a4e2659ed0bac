import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  advanceHotState,
  advanceLogStart,
  decodeHotState,
  emptyHotState,
  encodeHotState,
  type HotState,
} from './hot-state.ts'
import type { Run } from './run-table.ts'

function stateOf(lengths: readonly number[], epochOf: (index: number) => number): HotState {
  const state = emptyHotState()
  for (const [index, records] of lengths.entries()) {
    const baseOffset = state.endOffset
    const run: Run = {
      nodeId: index % 3,
      seq: index,
      position: 64,
      sizeBytes: records * 100,
      baseOffset,
      endOffset: baseOffset + records,
      maxTimestampMs: index,
    }
    advanceHotState(state, run, epochOf(index))
  }
  return state
}

function epochAt(state: HotState, offset: number): number | undefined {
  return state.epochs.findLast(({ startOffset }) => startOffset <= offset)?.leaderEpoch
}

const lengthsOfRuns = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 40 })

test('what lies at or above a raised log start is found as before, the runs below are forgotten', () => {
  fc.assert(
    fc.property(lengthsOfRuns, fc.nat(), fc.integer({ min: 1, max: 7 }), (lengths, at, every) => {
      const before = stateOf(lengths, (index) => Math.floor(index / every))
      const after = stateOf(lengths, (index) => Math.floor(index / every))
      const start = at % (before.endOffset + 1)
      advanceLogStart(after, start)
      expect(after.logStartOffset).toBe(start)
      for (let offset = start; offset < before.endOffset; offset++) {
        const run = before.runs.at(before.runs.indexOf(offset))
        expect(after.runs.at(after.runs.indexOf(offset))).toEqual(run)
        expect(epochAt(after, offset)).toBe(epochAt(before, offset))
      }
      for (let index = 0; index < after.runs.length; index++) {
        expect(after.runs.at(index).endOffset).toBeGreaterThan(start)
      }
      expect(encodeHotState(decodeHotState(encodeHotState(after)))).toEqual(encodeHotState(after))
    }),
  )
})

test('a log whose start is its end takes new runs', () => {
  const state = stateOf([2, 3], () => 0)
  advanceLogStart(state, 5)
  expect(state.runs.length).toBe(0)
  const run = { nodeId: 1, seq: 9, position: 0, sizeBytes: 1, maxTimestampMs: 0 }
  advanceHotState(state, { ...run, baseOffset: 5, endOffset: 6 }, 3)
  expect(state.runs.at(state.runs.indexOf(5)).seq).toBe(9)
  expect(epochAt(state, 5)).toBe(3)
})

test('a log start never goes back', () => {
  const state = stateOf([2, 3], () => 0)
  advanceLogStart(state, 4)
  advanceLogStart(state, 1)
  expect(state.logStartOffset).toBe(4)
  expect(state.runs.length).toBe(1)
})
