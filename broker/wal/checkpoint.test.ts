import { expect, test } from '@jest/globals'
import { randomUuid, seededRandom } from '../../base/random.ts'
import { encodeFramed } from '../../metadata/framing.ts'
import { checkpointKey } from '../../metadata/keys.ts'
import { HEADER_BYTES, objectKind } from '../../object-store/header.ts'
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

test('what has right checksums and lies about its entries is corrupt too, by the same error', () => {
  const payload = Buffer.concat(encodeCheckpoint(IDENTITY, entriesOf(3))).subarray(HEADER_BYTES)
  const more = Buffer.from(payload)
  more.writeUInt32BE(payload.readUInt32BE(1) + 1, 1)
  const longer = Buffer.concat([payload, Buffer.alloc(1)])
  for (const lying of [payload.subarray(0, -1), payload.subarray(0, 3), more, longer]) {
    const bytes = Buffer.concat(encodeFramed(objectKind.checkpoint, IDENTITY, lying))
    expect(() => decodeCheckpoint(KEY, bytes)).toThrow(
      expect.objectContaining({ name: 'StoreError', kind: 'corrupt' }),
    )
  }
})
