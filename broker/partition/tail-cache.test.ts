import { expect, test } from '@jest/globals'
import { BufferPool } from '../../base/buffer-pool.ts'
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
