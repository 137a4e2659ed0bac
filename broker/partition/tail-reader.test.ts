import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { baseOffset, batchBytes, lastOffset } from '../protocol/batch-header.ts'
import { emptyHotState } from './hot-state.ts'
import { readTail } from './tail-reader.ts'
import { PartitionWorld } from './testing/partition-world.ts'

const ALL = { bytesMax: 1_000_000, atLeastOne: true }

function offsetsOf(pieces: readonly Buffer[]): number[] {
  return pieces.map((piece) => baseOffset(piece))
}

describe('readTail', () => {
  test('gives whole batches from the one with the offset on, up to the limit', async () => {
    const world = new PartitionWorld()
    const partition = world.opening(emptyHotState(), 0, true)
    const random = seededRandom(3)
    for (let index = 0; index < 40; index++) {
      const value = 'x'.repeat(random.below(100))
      world.append(partition, { value, count: 1 + random.below(4) })
      if (random.below(3) === 0) await world.settle()
    }
    await world.settle()
    const everything = readTail(partition, 0, ALL)
    const batches = everything?.pieces ?? []
    expect(batches).toHaveLength(40)
    const wrong: unknown[] = []
    for (let offset = 0; offset < partition.highWatermark; offset++) {
      const bytesMax = random.below(900)
      const atLeastOne = random.below(2) === 0
      const read = readTail(partition, offset, { bytesMax, atLeastOne })
      if (read === null) throw new Error(`offset ${offset} is in memory`)
      const first = batches.findIndex((batch) => lastOffset(batch) >= offset)
      const expected: Buffer[] = []
      let bytes = 0
      for (const batch of batches.slice(first)) {
        const fits = bytes + batchBytes(batch) <= bytesMax
        if (!fits && !(atLeastOne && expected.length === 0)) break
        expected.push(batch)
        bytes += batchBytes(batch)
      }
      const same = offsetsOf(read.pieces).join() === offsetsOf(expected).join()
      if (!same || read.bytes !== bytes) wrong.push({ offset, bytesMax, atLeastOne })
      for (const frame of read.frames) frame.release()
    }
    expect(wrong).toEqual([])
    for (const frame of everything?.frames ?? []) frame.release()
    partition.abandon()
    expect(world.pool.bytesInUse).toBe(0)
  })

  test('nothing at the high watermark, even if more is pending; null where memory does not reach', async () => {
    const world = new PartitionWorld()
    const partition = world.opening()
    expect(readTail(partition, 0, ALL)).toMatchObject({ bytes: 0, pieces: [] })
    world.append(partition, { value: 'a' })
    expect(readTail(partition, 0, ALL)).toMatchObject({ bytes: 0, pieces: [] })
    await world.settle()
    // It was not kept.
    expect(readTail(partition, 0, ALL)).toBeNull()
    partition.keepsTail = () => true
    world.append(partition, { value: 'b' })
    await world.settle()
    expect(readTail(partition, 0, ALL)).toBeNull()
    const read = readTail(partition, 1, ALL)
    expect(offsetsOf(read?.pieces ?? [])).toEqual([1])
    world.append(partition, { value: 'c' })
    expect(offsetsOf(readTail(partition, 1, ALL)?.pieces ?? [])).toEqual([1])
  })

  test('what was read stays what it is until it is released, whatever happens to the cache', async () => {
    const world = new PartitionWorld({ tailCacheBytes: 3_000 })
    const partition = world.opening(emptyHotState(), 0, true)
    world.append(partition, { value: 'first' })
    await world.settle()
    const read = readTail(partition, 0, ALL)
    const copy = Buffer.concat(read?.pieces ?? [])
    for (let count = 0; count < 50; count++) {
      world.append(partition, { value: 'later'.repeat(20) })
      await world.settle()
    }
    expect(readTail(partition, 0, ALL)).toBeNull()
    partition.abandon()
    expect(Buffer.concat(read?.pieces ?? [])).toEqual(copy)
    expect(world.pool.bytesInUse).toBeGreaterThan(0)
    for (const frame of read?.frames ?? []) frame.release()
    expect(world.pool.bytesInUse).toBe(0)
  })

  test('a partition whose new data was not kept has no hole in memory when it is kept again', async () => {
    const world = new PartitionWorld()
    const partition = world.partition()
    let keeps = true
    partition.keepsTail = () => keeps
    partition.open(emptyHotState())
    for (const isKept of [true, true, false, true, true]) {
      keeps = isKept
      world.append(partition, { value: 'x' })
      await world.settle()
    }
    for (const offset of [0, 1, 2]) expect(readTail(partition, offset, ALL)).toBeNull()
    expect(offsetsOf(readTail(partition, 3, ALL)?.pieces ?? [])).toEqual([3, 4])
  })
})
