import { describe, expect, test } from '@jest/globals'
import { type Random, randomUuid, seededRandom, systemRandom } from './random.ts'

/** Random bytes that are what a test wants. */
function fixedRandom(...rounds: Buffer[]): Random {
  return { below: () => 0, bytes: () => rounds.shift() ?? Buffer.alloc(16) }
}

describe.each([
  ['systemRandom', () => systemRandom],
  ['seededRandom', () => seededRandom(5)],
])('%s', (_name, make) => {
  test('stays below the limit and reaches all of it', () => {
    const random = make()
    for (const limit of [1, 2, 3, 7]) {
      const seen = new Set(Array.from({ length: 500 }, () => random.below(limit)))
      expect([...seen].sort()).toEqual(Array.from({ length: limit }, (_, index) => index))
    }
  })

  test('the largest limit gives integers over its whole range', () => {
    const random = make()
    const drawn = Array.from({ length: 200 }, () => random.below(2 ** 32))
    expect(drawn.every((value) => Number.isInteger(value) && value >= 0)).toBe(true)
    expect(Math.max(...drawn)).toBeGreaterThan(2 ** 31)
    expect(Math.min(...drawn)).toBeLessThan(2 ** 31)
  })

  test('bytes have the length asked for, and differ', () => {
    const random = make()
    expect(random.bytes(0)).toHaveLength(0)
    const drawn = Array.from({ length: 100 }, () => random.bytes(16).toString('hex'))
    expect(new Set(drawn).size).toBe(100)
    expect(drawn[0]).toHaveLength(32)
  })
})

describe('seededRandom', () => {
  test('one seed gives one sequence, another seed another one', () => {
    const sequence = (seed: number): number[] => {
      const random = seededRandom(seed)
      return Array.from({ length: 20 }, () => random.below(1_000_000))
    }
    expect(sequence(1)).toEqual(sequence(1))
    const all = Array.from({ length: 200 }, (_, seed) => sequence(seed).join())
    expect(new Set(all).size).toBe(200)
  })
})

describe('randomUuid', () => {
  test('is 22 characters of base64url that stand for 16 bytes', () => {
    const bytes = seededRandom(9).bytes(16)
    const text = randomUuid(fixedRandom(bytes))
    expect(text).toMatch(/^[\w-]{22}$/)
    expect(Buffer.from(text, 'base64url')).toEqual(bytes)
  })

  test('never begins with a dash, which command line tools take for an option', () => {
    const dashed = Buffer.alloc(16, 0xfb)
    expect(dashed.toString('base64url')).toMatch(/^-/)
    expect(randomUuid(fixedRandom(dashed, dashed, Buffer.alloc(16, 1)))).toMatch(/^[^-]/)
  })
})
