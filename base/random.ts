import { randomBytes } from 'node:crypto'

/** All randomness in the program. Injected, so that one seed decides a whole simulation. */
export interface Random {
  /** An integer in [0, limit). `limit` is at most 2^32. */
  below(limit: number): number
  bytes(length: number): Buffer
}

/** Randomness from the operating system. */
export const systemRandom: Random = {
  below: (limit) => Math.floor((randomBytes(4).readUInt32BE(0) / 0x1_0000_0000) * limit),
  bytes: (length) => randomBytes(length),
}

/** Deterministic randomness from a 32-bit seed (sfc32; not for secrets). */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed
  let b = 0x243f6a88 + seed
  let c = 0xb7e15162 ^ (seed << 16)
  let counter = 1
  function nextUint32(): number {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  for (let round = 0; round < 16; round++) nextUint32()
  return {
    below: (limit) => Math.floor((nextUint32() / 0x1_0000_0000) * limit),
    bytes(length) {
      const buffer = Buffer.alloc(length)
      for (let i = 0; i < length; i++) buffer[i] = nextUint32() & 0xff
      return buffer
    },
  }
}

/** A random UUID in Kafka's text form: 22 characters of base64url, never starting with `-`. */
export function randomUuid(random: Random): string {
  for (;;) {
    const text = random.bytes(16).toString('base64url')
    // Kafka's command line tools take a leading dash for an option (Uuid.randomUuid does the same).
    if (!text.startsWith('-')) return text
  }
}
