import { describe, expect, test } from '@jest/globals'
import { BufferPool, type SharedBytes } from './buffer-pool.ts'
import { seededRandom } from './random.ts'

const KIBIBYTE = 1024

function isFilledWith(buffer: Buffer, byte: number): boolean {
  return buffer.equals(Buffer.alloc(buffer.length, byte))
}

describe('BufferPool', () => {
  test('memory with an owner is given to nobody else, and none is lost', () => {
    const random = seededRandom(11)
    const pool = new BufferPool(512 * KIBIBYTE)
    const owned: { shared: SharedBytes; owners: number; mark: number }[] = []
    let bytes = 0
    for (let mark = 1; mark < 1_000; mark++) {
      if (random.below(2) === 0) {
        const size = random.below(3) === 0 ? random.below(100) : random.below(80 * KIBIBYTE)
        const shared = pool.take(size)
        expect(shared.buffer.length).toBe(size)
        shared.buffer.fill(mark & 0xff)
        owned.push({ shared, owners: 1, mark })
        bytes += size
      } else {
        const at = random.below(Math.max(1, owned.length))
        const one = owned[at]
        if (one === undefined) continue
        if (random.below(3) === 0) {
          one.shared.retain()
          one.owners++
        } else {
          expect(isFilledWith(one.shared.buffer, one.mark & 0xff)).toBe(true)
          one.shared.release()
          one.owners--
        }
        if (one.owners === 0) {
          owned.splice(at, 1)
          bytes -= one.shared.buffer.length
        }
      }
      expect(pool.bytesInUse).toBe(bytes)
    }
    for (const { shared, owners } of owned) {
      for (let count = 0; count < owners; count++) shared.release()
    }
    expect(pool.bytesInUse).toBe(0)
  })

  test('memory is used again, also for a size that differs a little', () => {
    const pool = new BufferPool(1024 * KIBIBYTE)
    const first = pool.take(100 * KIBIBYTE)
    const memory = first.buffer.buffer
    first.release()
    const second = pool.take(101 * KIBIBYTE)
    expect(second.buffer.buffer).toBe(memory)
    expect(second.buffer.length).toBe(101 * KIBIBYTE)
    expect(pool.take(101 * KIBIBYTE).buffer.buffer).not.toBe(memory)
  })

  test('keeps no more free memory than it may', () => {
    const pool = new BufferPool(64 * KIBIBYTE)
    const taken = [pool.take(64 * KIBIBYTE), pool.take(64 * KIBIBYTE)]
    const memory = taken.map(({ buffer }) => buffer.buffer)
    for (const shared of taken) shared.release()
    const again = [pool.take(64 * KIBIBYTE), pool.take(64 * KIBIBYTE)]
    expect(again.filter(({ buffer }) => memory.includes(buffer.buffer))).toHaveLength(1)
  })

  test('rounding wastes a quarter at most, and never gives less than asked for', () => {
    const pool = new BufferPool(0)
    for (let bytes = 16 * KIBIBYTE; bytes < 3_000_000; bytes = Math.ceil(bytes * 1.07)) {
      for (const size of [bytes - 1, bytes, bytes + 1]) {
        const { buffer } = pool.take(size)
        expect(buffer.length).toBe(size)
        expect(buffer.buffer.byteLength).toBeLessThanOrEqual(size * 1.25)
      }
    }
  })

  test('releasing once too often, or retaining what is released, is a bug that is told', () => {
    const shared = new BufferPool(0).take(10)
    shared.release()
    expect(() => shared.retain()).toThrow('released')
    expect(() => shared.release()).toThrow('once per owner')
  })
})
