import { expect, test } from '@jest/globals'
import { crc32c } from './crc32c.ts'

/** Bit by bit, by the definition of the polynomial. */
function slowly(bytes: Uint8Array, initial = 0): number {
  let crc = ~initial
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}

test('the values of RFC 3720, B.4', () => {
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index)))).toBe(0x46dd794e)
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})

test('views are taken as they are, and parts continue each other', () => {
  const whole = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 7) & 0xff))
  const view = whole.subarray(13, 900)
  expect(crc32c(view)).toBe(slowly(view))
  expect(crc32c(view.subarray(100), crc32c(view.subarray(0, 100)))).toBe(slowly(view))
  expect(crc32c(Buffer.alloc(0), 0x1234)).toBe(0x1234)
})
