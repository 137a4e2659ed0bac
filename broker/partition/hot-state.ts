import { assert } from '../../base/assert.ts'
import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import type { BatchMeta } from '../wal/log-object.ts'
import { ProducerStates } from './producer-states.ts'
import { type Run, RunTable } from './run-table.ts'

/** The first offset that was written in a leader epoch (KIP-101). */
export interface EpochStart {
  readonly leaderEpoch: number
  readonly startOffset: number
}

/** Everything a new owner must know of a partition to go on. Travels in open and close entries. */
export interface HotState {
  logStartOffset: number
  endOffset: number
  /** Oldest first; only epochs that wrote something. */
  epochs: EpochStart[]
  producers: ProducerStates
  runs: RunTable
}

const VERSION = 2

export function emptyHotState(): HotState {
  return {
    logStartOffset: 0,
    endOffset: 0,
    epochs: [],
    producers: new ProducerStates(),
    runs: new RunTable(),
  }
}

/** Writes a state. Producers' batches at or above `state.endOffset` are left out: not durable. */
export function encodeHotState(state: HotState): Buffer {
  const writer = new ByteWriter(256 + state.runs.length * 12)
  writer.uint8(VERSION)
  writer.varint(state.logStartOffset)
  writer.varint(state.endOffset)
  writer.varint(state.epochs.length)
  for (const { leaderEpoch, startOffset } of state.epochs) {
    writer.varint(leaderEpoch)
    writer.varint(startOffset)
  }
  state.producers.encode(writer, state.endOffset)
  state.runs.encode(writer)
  return writer.finish()
}

/** Reads a state. Throws RangeError or an invariant error on bytes that are none. */
export function decodeHotState(bytes: Buffer): HotState {
  const reader = new ByteReader(bytes)
  const version = reader.uint8()
  assert(version === VERSION, `hot state version ${version} is unknown to this release`)
  const logStartOffset = reader.varint()
  const endOffset = reader.varint()
  const epochs: EpochStart[] = []
  const epochCount = reader.varint()
  for (let i = 0; i < epochCount; i++) {
    epochs.push({ leaderEpoch: reader.varint(), startOffset: reader.varint() })
  }
  const producers = ProducerStates.decode(reader)
  const runs = RunTable.decode(reader)
  assert(
    runs.length === 0 || runs.at(runs.length - 1).endOffset === endOffset,
    'the last run of a hot state ends at its end offset',
  )
  return { logStartOffset, endOffset, epochs, producers, runs }
}

/** Advances `state` over a run that is durable: the one step of replay, and of the live way. */
export function advanceHotState(state: HotState, run: Run, leaderEpoch: number): void {
  assert(
    run.baseOffset === state.endOffset,
    `a run at offset ${run.baseOffset} follows the end offset ${state.endOffset}`,
  )
  const newest = state.epochs[state.epochs.length - 1]
  assert(newest === undefined || leaderEpoch >= newest.leaderEpoch, 'leader epochs only rise')
  if (newest === undefined || leaderEpoch > newest.leaderEpoch) {
    state.epochs.push({ leaderEpoch, startOffset: run.baseOffset })
  }
  state.runs.push(run)
  state.endOffset = run.endOffset
}

/**
 * Raises the log start: what lies below is not read any more, and runs that lie below as a whole are
 * forgotten. Durable with the next state that is written; should it be lost, the log is longer.
 */
export function advanceLogStart(state: HotState, offset: number): void {
  assert(offset <= state.endOffset, 'a log does not start behind its end')
  if (offset <= state.logStartOffset) return
  state.logStartOffset = offset
  state.runs.dropBelow(offset)
  // The epoch that the first record is of begins there now.
  const first = state.epochs.findLastIndex(({ startOffset }) => startOffset <= offset)
  state.epochs = state.epochs.slice(Math.max(first, 0)).map(({ leaderEpoch, startOffset }) => {
    return { leaderEpoch, startOffset: Math.max(startOffset, offset) }
  })
}

/**
 * Replays a run of a log object: runs, offsets and producers. Its producers count as seen at `nowMs`
 * (clock.wallMs): when they really were is not in the log, but what is replayed is recent.
 */
export function replayRun(
  state: HotState,
  run: Run,
  leaderEpoch: number,
  { batches, nowMs }: { batches: readonly BatchMeta[]; nowMs: number },
): void {
  advanceHotState(state, run, leaderEpoch)
  for (const batch of batches) {
    if (batch.producerId >= 0) state.producers.add(batch, nowMs, state.endOffset)
  }
}
