import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ByteReader, ByteWriter } from './byte-writer.ts'
import { randomUuid, seededRandom } from './random.ts'

type Item =
  | { readonly kind: 'uint8' | 'int32' | 'uint32' | 'uint64' | 'varint'; readonly value: number }
  | { readonly kind: 'uuid'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }

function number(
  kind: 'uint8' | 'int32' | 'uint32' | 'uint64' | 'varint',
  min: number,
  max: number,
) {
  return fc.maxSafeInteger().map((seed): Item => {
    const value = seed % 3 === 0 ? (seed < 0 ? min : max) : seed
    return { kind, value: value >= min && value <= max ? value : Math.abs(seed) % (max + 1) }
  })
}

const SAFE = Number.MAX_SAFE_INTEGER
const items = fc.array(
  fc.oneof(
    number('uint8', 0, 0xff),
    number('int32', -(2 ** 31), 2 ** 31 - 1),
    number('uint32', 0, 2 ** 32 - 1),
    number('uint64', 0, SAFE),
    number('varint', -SAFE, SAFE),
    fc.integer().map((seed): Item => ({ kind: 'uuid', value: randomUuid(seededRandom(seed)) })),
    fc.uint8Array({ maxLength: 40 }).map((value): Item => ({ kind: 'bytes', value })),
  ),
  { maxLength: 60 },
)

function write(written: readonly Item[]): Buffer {
  // So small that it has to grow at every kind of value.
  const writer = new ByteWriter(1)
  for (const item of written) {
    if (item.kind === 'uuid') writer.uuid(item.value)
    else if (item.kind === 'bytes') writer.bytes(item.value)
    else writer[item.kind](item.value)
  }
  expect(writer.length).toBe(writer.finish().length)
  return writer.finish()
}

function readOne(reader: ByteReader, item: Item): unknown {
  if (item.kind === 'uuid') return reader.uuid()
  if (item.kind === 'bytes') return new Uint8Array(reader.bytes(item.value.length))
  return reader[item.kind]()
}

describe('ByteWriter and ByteReader', () => {
  test('what is written is read, whatever is beside it', () => {
    fc.assert(
      fc.property(items, (written) => {
        const reader = new ByteReader(write(written))
        for (const item of written) expect(readOne(reader, item)).toEqual(item.value)
        expect(reader.remaining).toBe(0)
      }),
    )
  })

  test('bytes that are cut off anywhere end in a RangeError, never in a made-up value', () => {
    fc.assert(
      fc.property(items, fc.nat(), (written, at) => {
        const whole = write(written)
        if (whole.length === 0) return
        const reader = new ByteReader(whole.subarray(0, at % whole.length))
        expect(() => {
          for (const item of written) expect(readOne(reader, item)).toEqual(item.value)
        }).toThrow(RangeError)
      }),
    )
  })

  test('varints are exact up to the ends of what a number holds', () => {
    const values: number[] = []
    for (let power = 0; power < 53; power++) {
      for (const near of [-1, 0, 1]) values.push(2 ** power + near, -(2 ** power) + near)
    }
    // Differences of safe integers from -1 on reach 2^53 itself.
    values.push(SAFE, -SAFE, SAFE - 1, 1 - SAFE, SAFE + 1, -SAFE - 1)
    for (const value of values) {
      const writer = new ByteWriter()
      writer.varint(value)
      expect(new ByteReader(writer.finish()).varint()).toBe(value + 0)
    }
  })

  test('the encoding of varints, which is in buckets, stays what it is', () => {
    const writer = new ByteWriter()
    for (const value of [0, -1, 1, 63, 64, -64, -65, 300, 2 ** 40]) writer.varint(value)
    expect(writer.finish().toString('hex')).toBe(
      '000102' + '7e' + '8001' + '7f' + '8101' + 'd804' + '808080808040',
    )
  })

  test('a number longer than any that is written is refused', () => {
    expect(() => new ByteReader(Buffer.alloc(20, 0xff)).varint()).toThrow(RangeError)
    const large = Buffer.alloc(8, 0xff)
    large[7] = 0x7f
    expect(() => new ByteReader(large).varint()).toThrow(RangeError)
  })

  test('a length below zero does not move the reader back', () => {
    const reader = new ByteReader(Buffer.alloc(10), 5)
    expect(() => reader.bytes(-3)).toThrow(RangeError)
    expect(reader.position).toBe(5)
  })

  test('lengths can be set afterwards, also when the buffer has grown since', () => {
    const writer = new ByteWriter(2)
    writer.uint32(0)
    writer.bytes(Buffer.alloc(100, 7))
    writer.setUint32(0, 100)
    expect(new ByteReader(writer.finish()).uint32()).toBe(100)
  })

  test('what is no UUID is not written as arbitrary bytes', () => {
    expect(() => new ByteWriter().uuid('short')).toThrow('no UUID')
  })
})
