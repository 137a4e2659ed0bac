import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { EpochStart, HotState } from '../partition/hot-state.ts'
import { emptyHotState } from '../partition/hot-state.ts'
import { endOfEpoch } from './offset-for-leader-epoch.ts'

/** A log as the leader epochs of its records, in the order of their offsets, which only rise. */
const logs = fc.array(fc.nat(6), { maxLength: 12 }).map((epochs) => epochs.sort((a, b) => a - b))

function stateOf(log: readonly number[]): HotState {
  const epochs: EpochStart[] = []
  log.forEach((leaderEpoch, startOffset) => {
    if (epochs[epochs.length - 1]?.leaderEpoch !== leaderEpoch)
      epochs.push({ leaderEpoch, startOffset })
  })
  return { ...emptyHotState(), endOffset: log.length, epochs }
}

test('the end of an epoch is after the last record of it or of an older one', () => {
  fc.assert(
    fc.property(logs, fc.nat(3), fc.integer({ min: -1, max: 12 }), (log, later, requested) => {
      const leaderEpoch = (log[log.length - 1] ?? 0) + later
      const partition = { leaderEpoch, highWatermark: log.length, state: stateOf(log) }
      const found = endOfEpoch(partition, requested)
      if (requested < 0 || requested > leaderEpoch) {
        expect(found).toEqual({ leaderEpoch: -1, endOffset: -1 })
        return
      }
      const upTo = log.filter((epoch) => epoch <= requested)
      expect(found.endOffset).toBe(upTo.length)
      // Of an epoch without records, and with nothing before it, only the number is known.
      const newest = requested === leaderEpoch ? requested : (upTo[upTo.length - 1] ?? requested)
      expect(found.leaderEpoch).toBe(newest)
    }),
  )
})
