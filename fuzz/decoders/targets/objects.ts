import { crc32c } from '../../../base/crc32c.ts'
import type { Random } from '../../../base/random.ts'
import { decodeHandoff, handoffMessages } from '../../../broker/partition/handoff.ts'
import {
  advanceHotState,
  decodeHotState,
  emptyHotState,
  encodeHotState,
} from '../../../broker/partition/hot-state.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../../broker/wal/checkpoint.ts'
import {
  decodeLogObjectTail,
  encodeFence,
  LogObjectBuilder,
} from '../../../broker/wal/log-object.ts'
import { decodeHeader, HEADER_BYTES } from '../../../object-store/header.ts'
import type { Body } from '../../../object-store/store.ts'
import type { Target } from '../target.ts'

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAABQ'
const FOOTER_BYTES = 16
const HEADER_CRC_POSITION = 60
const IDENTITY = { nodeId: 1, seq: 7, nonce: Buffer.alloc(16, 9) }
const CHECKPOINT_KEY = `ckpt/ab/1/${'7'.padStart(20, '0')}`

export function isCorrupt(error: Error): boolean {
  return error.name === 'StoreError' && (error as { kind?: unknown }).kind === 'corrupt'
}

function wholeOf(body: Body): Buffer {
  return Buffer.concat(body)
}

/** Makes the header's own checksum right, and that of the payload behind it. */
export function repairFramed(input: Buffer): void {
  if (input.length < HEADER_BYTES) return
  const payload = input.subarray(HEADER_BYTES)
  input.writeUInt32BE(payload.length, 36)
  input.writeUInt32BE(crc32c(payload), 40)
  repairHeader(input)
}

function repairHeader(input: Buffer): void {
  if (input.length < HEADER_BYTES) return
  input.writeUInt32BE(crc32c(input.subarray(0, HEADER_CRC_POSITION)), HEADER_CRC_POSITION)
}

function address(partition: number) {
  return { topicId: TOPIC_ID, partition, leaderEpoch: 3 }
}

function batchMeta(baseOffset: number, producerId: number) {
  const isIdempotent = producerId >= 0
  return {
    baseOffset,
    lastOffset: baseOffset + 2,
    sizeBytes: 100,
    maxTimestampMs: 1_700_000_000_000,
    attributes: 0,
    producerId,
    producerEpoch: isIdempotent ? 0 : -1,
    baseSequence: isIdempotent ? 5 : -1,
  }
}

function logObjects(): Buffer[] {
  const state = sampleStates()[1] as Buffer
  const builder = new LogObjectBuilder(IDENTITY)
  builder.addState('open', address(0), state)
  builder.addRun(address(0), [Buffer.alloc(200)], [batchMeta(0, -1), batchMeta(3, 8)])
  builder.addLogStart(address(1), 4)
  builder.addState('close', address(2), state)
  return [wholeOf(builder.finish(IDENTITY)), wholeOf(encodeFence(IDENTITY))]
}

/** States of an empty partition, and of one with runs and a producer. */
function sampleStates(): Buffer[] {
  const state = emptyHotState()
  for (let index = 0; index < 3; index++) {
    const place = { nodeId: 1, seq: index, position: HEADER_BYTES, sizeBytes: 100 }
    const offsets = { baseOffset: index * 3, endOffset: index * 3 + 3, maxTimestampMs: 5 }
    state.producers.add(batchMeta(index * 3, 8), 1_000, 100)
    advanceHotState(state, { ...place, ...offsets }, 1 + (index >> 1))
  }
  return [encodeHotState(emptyHotState()), encodeHotState(state)]
}

export const headers: Target = {
  name: 'object-header',
  seeds: () => [wholeOf(encodeFence(IDENTITY)), ...logObjects()],
  run: (input) => `kind ${decodeHeader('key', input).kind}`,
  isDeclared: isCorrupt,
  repair: repairHeader,
}

export const logObjectTails: Target = {
  name: 'log-object',
  seeds: logObjects,
  run(input) {
    const read = decodeLogObjectTail('wal/ab/1/7', IDENTITY, input)
    return read.kind === 'data' ? `data ${Math.min(read.entries.length, 6)}` : read.kind
  },
  isDeclared: isCorrupt,
  repair(input) {
    if (input.length === HEADER_BYTES) repairHeader(input)
    if (input.length < FOOTER_BYTES) return
    const footer = input.subarray(input.length - FOOTER_BYTES)
    const start = input.length - FOOTER_BYTES - footer.readUInt32BE(0)
    if (start < 0) return
    footer.writeUInt32BE(crc32c(input.subarray(start, input.length - FOOTER_BYTES)), 4)
  },
}

export const checkpoints: Target = {
  name: 'checkpoint',
  seeds: () => {
    const entries = sampleStates().map((state, index) => ({
      ...address(index),
      closed: index === 1,
      state,
    }))
    return [entries, []].map((each) => wholeOf(encodeCheckpoint(IDENTITY, each)))
  },
  run: (input) => `entries: ${Math.min(decodeCheckpoint(CHECKPOINT_KEY, input).length, 4)}`,
  isDeclared: isCorrupt,
  repair: repairFramed,
}

export const hotStates: Target = {
  name: 'hot-state',
  seeds: sampleStates,
  run(input) {
    const { runs, producers, epochs } = decodeHotState(input)
    return `state ${[runs.length, producers.size, epochs.length].map((count) => Math.min(count, 3))}`
  },
  isDeclared: ({ name }) => name === 'RangeError' || name === 'InvariantError',
}

export const handoffs: Target = {
  name: 'handoff',
  seeds: (_random: Random) => {
    const epochs = sampleStates().map((state, index) => ({ ...address(index), state }))
    return [...handoffMessages(3, epochs)]
  },
  run: (input) => `epochs: ${Math.min(decodeHandoff(input).epochs.length, 4)}`,
  isDeclared: ({ name }) => name === 'RangeError',
}
