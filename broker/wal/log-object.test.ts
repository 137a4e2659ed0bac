import { describe, expect, test } from '@jest/globals'
import { type Random, randomUuid, seededRandom } from '../../base/random.ts'
import { walKey } from '../../metadata/keys.ts'
import { HEADER_BYTES } from '../../object-store/header.ts'
import {
  type BatchMeta,
  decodeLogObjectTail,
  encodeFence,
  type IndexEntry,
  LogObjectBuilder,
} from './log-object.ts'

const IDENTITY = { nodeId: 7, seq: 3_000_000_000, nonce: Buffer.alloc(16, 5) }
const KEY = walKey(IDENTITY.nodeId, IDENTITY.seq)

function batchesFrom(random: Random, firstOffset: number): { batches: BatchMeta[]; bytes: Buffer } {
  const batches: BatchMeta[] = []
  let offset = firstOffset
  let sizeBytes = 0
  for (let count = 1 + random.below(4); count > 0; count--) {
    const idempotent = random.below(2) === 0
    const lastOffset = offset + random.below(1_000)
    const batch: BatchMeta = {
      baseOffset: offset,
      lastOffset,
      sizeBytes: 61 + random.below(200),
      maxTimestampMs: random.below(3) === 0 ? -1 : 1_700_000_000_000 + random.below(2 ** 32),
      attributes: random.below(64),
      producerId: idempotent ? random.below(2 ** 32) * 1_000 : -1,
      producerEpoch: idempotent ? random.below(32_768) : -1,
      baseSequence: idempotent ? random.below(2 ** 31) : -1,
    }
    batches.push(batch)
    sizeBytes += batch.sizeBytes
    offset = lastOffset + 1
  }
  return { batches, bytes: random.bytes(sizeBytes) }
}

/** A random object: its entries as they were put in, its runs' bytes, and the whole of it. */
function randomObject(seed: number) {
  const random = seededRandom(seed)
  const builder = new LogObjectBuilder(IDENTITY)
  const entries: IndexEntry[] = []
  const runs: { position: number; bytes: Buffer }[] = []
  for (let count = random.below(8); count > 0; count--) {
    const address = {
      topicId: randomUuid(random),
      partition: random.below(100_000),
      leaderEpoch: random.below(1_000),
    }
    const type = (['open', 'close', 'data'] as const)[random.below(3)] ?? 'data'
    if (type !== 'data') {
      const state = random.bytes(random.below(300))
      builder.addState(type, address, state)
      entries.push({ ...address, type, state })
      continue
    }
    const { batches, bytes } = batchesFrom(random, random.below(2 ** 32) * 500)
    const cut = random.below(bytes.length)
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)]
    const position = builder.addRun(address, pieces, batches)
    entries.push({ ...address, type, position, batches })
    runs.push({ position, bytes })
  }
  return { entries, runs, bytes: Buffer.concat(builder.finish(IDENTITY)) }
}

describe('a log object', () => {
  test('gives back what was put in, and every run where its entry says', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { entries, runs, bytes } = randomObject(seed)
      expect(decodeLogObjectTail(KEY, IDENTITY, bytes)).toEqual({ kind: 'data', entries })
      for (const { position, bytes: run } of runs) {
        expect(bytes.subarray(position, position + run.length)).toEqual(run)
      }
    }
  })

  test('its index is read from any tail that holds it; from a shorter one it says how much it needs', () => {
    const { entries, bytes } = randomObject(4)
    const least = decodeLogObjectTail(KEY, IDENTITY, bytes.subarray(bytes.length - 16))
    if (least.kind !== 'more') throw new Error('16 bytes hold no index')
    for (let length = 17; length <= bytes.length; length++) {
      if (length === HEADER_BYTES) continue
      const found = decodeLogObjectTail(KEY, IDENTITY, bytes.subarray(bytes.length - length))
      expect(found).toEqual(length < least.tailBytes ? least : { kind: 'data', entries })
    }
  })

  test('no damage to its index or footer goes unnoticed', () => {
    const { bytes } = randomObject(8)
    const footer = decodeLogObjectTail(KEY, IDENTITY, bytes.subarray(bytes.length - 16))
    if (footer.kind !== 'more') throw new Error('16 bytes hold no index')
    for (let at = bytes.length - footer.tailBytes; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes)
      damaged[at] = (damaged[at] as number) ^ 0x40
      let outcome = 'read'
      try {
        const { kind } = decodeLogObjectTail(KEY, IDENTITY, damaged)
        if (kind === 'more') outcome = 'more'
      } catch (error) {
        outcome = (error as { kind?: string }).kind ?? String(error)
        expect((error as Error).message).toContain(KEY)
      }
      // A length that grew by accident asks for more than there is, which the reader refuses.
      expect(outcome).not.toBe('read')
      expect(['corrupt', 'more']).toContain(outcome)
    }
  })

  test('the object of another place is refused, whole as it is', () => {
    const { bytes } = randomObject(2)
    for (const other of [
      { ...IDENTITY, seq: 1 },
      { ...IDENTITY, nodeId: 8 },
    ]) {
      expect(() => decodeLogObjectTail(KEY, other, bytes)).toThrow('says that it is object')
    }
  })

  test('what is no log object is refused by its key, whatever it is', () => {
    const random = seededRandom(1)
    for (const length of [0, 1, 15, 16, HEADER_BYTES, 65, 500]) {
      expect(() => decodeLogObjectTail(KEY, IDENTITY, random.bytes(length))).toThrow(KEY)
    }
  })

  test('offsets with gaps, or bytes that are not those of the batches, never get into one', () => {
    const { batches, bytes } = batchesFrom(seededRandom(6), 10)
    const address = { topicId: randomUuid(seededRandom(1)), partition: 0, leaderEpoch: 0 }
    const builder = new LogObjectBuilder(IDENTITY)
    const gap = { ...(batches[0] as BatchMeta), baseOffset: 9_999, lastOffset: 9_999 }
    expect(() => builder.addRun(address, [bytes], [...batches, gap])).toThrow('dense')
    expect(() => builder.addRun(address, [bytes.subarray(1)], batches)).toThrow('bytes')
    expect(() => builder.addRun(address, [], [])).toThrow('has batches')
  })

  test('a fence is a fence, and no object with data is one', () => {
    const fence = Buffer.concat(encodeFence(IDENTITY))
    expect(fence.length).toBe(HEADER_BYTES)
    expect(decodeLogObjectTail(KEY, IDENTITY, fence)).toEqual({ kind: 'fence' })
    const empty = Buffer.concat(new LogObjectBuilder(IDENTITY).finish(IDENTITY))
    expect(empty.length).toBeGreaterThan(HEADER_BYTES)
    expect(() => decodeLogObjectTail(KEY, IDENTITY, empty.subarray(0, HEADER_BYTES))).toThrow(
      'no fence',
    )
  })
})
