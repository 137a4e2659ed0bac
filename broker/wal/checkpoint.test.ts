import { expect, test } from '@jest/globals'
import { randomUuid, seededRandom } from '../../base/random.ts'
import { checkpointKey } from '../../metadata/keys.ts'
import { type CheckpointEntry, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'

const IDENTITY = { nodeId: 4, seq: 12, nonce: Buffer.alloc(16, 1) }
const KEY = checkpointKey(4, 12)

function entriesOf(seed: number): CheckpointEntry[] {
  const random = seededRandom(seed)
  return Array.from({ length: random.below(20) }, () => ({
    topicId: randomUuid(random),
    partition: random.below(10_000),
    leaderEpoch: random.below(500),
    closed: random.below(2) === 0,
    state: random.bytes(random.below(200)),
  }))
}

test('a checkpoint gives back its entries, in their order', () => {
  for (let seed = 0; seed < 50; seed++) {
    const entries = entriesOf(seed)
    const bytes = Buffer.concat(encodeCheckpoint(IDENTITY, entries))
    expect(decodeCheckpoint(KEY, bytes)).toEqual(entries)
  }
})

test('no damage goes unnoticed, nor does a checkpoint at the key of another', () => {
  const bytes = Buffer.concat(encodeCheckpoint(IDENTITY, entriesOf(3)))
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] = (damaged[at] as number) ^ 1
    expect(() => decodeCheckpoint(KEY, damaged)).toThrow(KEY)
  }
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeCheckpoint(KEY, bytes.subarray(0, length))).toThrow(KEY)
  }
  expect(() => decodeCheckpoint(checkpointKey(4, 13), bytes)).toThrow(checkpointKey(4, 13))
})
