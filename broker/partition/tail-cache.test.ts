import { expect, test } from '@jest/globals'
import { BufferPool } from '../../base/buffer-pool.ts'
import { seededRandom } from '../../base/random.ts'
import type { BatchMeta } from '../wal/log-object.ts'
import { CachedRuns, TailCache } from './tail-cache.ts'

const FRAME_BYTES = 64 * 1024

function batch(baseOffset: number, sizeBytes: number): BatchMeta {
  return {
    baseOffset,
    lastOffset: baseOffset,
    sizeBytes,
    maxTimestampMs: 0,
    attributes: 0,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
  }
}

test('a small view counts the whole frame that it pins, so memory stays within the budget', () => {
  const pool = new BufferPool(0)
  const cache = new TailCache(10 * FRAME_BYTES)
  const owner = new CachedRuns()
  for (let offset = 0; offset < 100; offset++) {
    const frame = pool.take(FRAME_BYTES)
    cache.add(owner, [batch(offset, 100)], [frame.buffer.subarray(0, 100)], [frame])
    expect(pool.bytesInUse).toBeLessThanOrEqual(10 * FRAME_BYTES)
    expect(cache.bytes).toBeLessThanOrEqual(10 * FRAME_BYTES)
  }
  expect(owner.baseOffset).toBeGreaterThan(80)
  expect(owner.at(owner.indexOf(99))?.baseOffset).toBe(99)
})

test('a frame with views of several partitions counts once and is given back by the last', () => {
  const pool = new BufferPool(0)
  const cache = new TailCache(1024 * 1024)
  const owners = [new CachedRuns(), new CachedRuns(), new CachedRuns()]
  const frame = pool.take(FRAME_BYTES)
  for (const owner of owners) {
    frame.retain()
    cache.add(owner, [batch(0, 100)], [frame.buffer.subarray(0, 100)], [frame])
  }
  frame.release()
  expect(cache.bytes).toBeLessThan(FRAME_BYTES + 3 * 1024)
  for (const owner of owners) {
    expect(pool.bytesInUse).toBe(FRAME_BYTES)
    cache.clear(owner)
    expect(owner.isEmpty).toBe(true)
  }
  expect(cache.bytes).toBe(0)
  expect(pool.bytesInUse).toBe(0)
})

test('what was cleared leaves nothing behind, also in a cache that is never full', () => {
  const pool = new BufferPool(0)
  const cache = new TailCache(1024 * FRAME_BYTES)
  const kept = new CachedRuns()
  const keptFrame = pool.take(100)
  cache.add(kept, [batch(0, 100)], [keptFrame.buffer], [keptFrame])
  const owner = new CachedRuns()
  for (let offset = 0; offset < 5_000; offset++) {
    const frame = pool.take(100)
    cache.add(owner, [batch(offset, 100)], [frame.buffer], [frame])
    if (offset % 3 === 0) cache.clear(owner)
  }
  cache.clear(owner)
  expect(cache.queueLength).toBeLessThan(1_000)
  expect(pool.bytesInUse).toBe(100)
  expect(kept.at(0)?.pieces[0]).toBe(keptFrame.buffer)
})

test('the oldest goes first, whoever it belongs to, also after others were cleared', () => {
  const pool = new BufferPool(0)
  const cache = new TailCache(10 * FRAME_BYTES)
  const owners = Array.from({ length: 4 }, () => new CachedRuns())
  const random = seededRandom(5)
  const next = [0, 0, 0, 0]
  for (let step = 0; step < 3_000; step++) {
    const at = random.below(4)
    const owner = owners[at] as CachedRuns
    if (random.below(12) === 0) cache.clear(owner)
    const offset = (next[at] as number)++
    const frame = pool.take(FRAME_BYTES - 600)
    cache.add(owner, [batch(offset, 100)], [frame.buffer.subarray(0, 100)], [frame])
    // Without gaps up to the newest, and found by every offset that is there.
    const wrong: number[] = []
    for (let has = owner.baseOffset; has <= offset; has++) {
      if (owner.at(owner.indexOf(has))?.baseOffset !== has) wrong.push(has)
    }
    if (wrong.length > 0 || cache.bytes > 10 * FRAME_BYTES) throw new Error(`step ${step}`)
  }
  for (const owner of owners) cache.clear(owner)
  expect([cache.bytes, pool.bytesInUse]).toEqual([0, 0])
})
