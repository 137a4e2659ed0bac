import type { Random } from '../../base/random.ts'

const CHANGES_MAX = 4
const SLICE_BYTES_MAX = 32
const COPIES_MAX = 200

const ODD_BYTES = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff]
const ODD_INT16 = [0, 1, -1, -2, 0x7f, 0x80, 0xff, 0x7fff, -0x8000]
const ODD_INT32 = [
  0, 1, -1, -2, 0xff, 0x7fff, 0x8000, 0xf_ffff, 0x10_0001, 0x7fff_ffff, -0x8000_0000,
]
const ODD_INT64 = [
  0n,
  1n,
  -1n,
  -2n,
  2n ** 31n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
]
/** Unsigned: 0, 1, 127, 128, 2^14, 2^21 - 1, 2^28, 2^32 - 1, 2^32, 2^63, and one that never ends. */
const ODD_VARINTS = [
  '00',
  '01',
  '7f',
  '8001',
  '808001',
  'ffff7f',
  '8080808001',
  'ffffffff0f',
  'ffffffff10',
  '80808080808080808001',
  'ffffffffffffffffffffff',
].map((hex) => Buffer.from(hex, 'hex'))

/** Changes a buffer in place, or gives another one. */
type Change = (random: Random, input: Buffer, other: Buffer) => Buffer

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T
}

/** A place for `bytes` bytes, or -1 where there is no room. */
function place(random: Random, input: Buffer, bytes: number): number {
  return input.length < bytes ? -1 : random.below(input.length - bytes + 1)
}

function overwrite(input: Buffer, position: number, part: Buffer): Buffer {
  part.copy(input, position)
  return input
}

function insert(input: Buffer, position: number, part: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, position), part, input.subarray(position)])
}

function sliceOf(random: Random, input: Buffer): Buffer {
  const bytes = 1 + random.below(Math.min(SLICE_BYTES_MAX, Math.max(1, input.length)))
  const start = Math.max(0, place(random, input, bytes))
  return input.subarray(start, start + bytes)
}

const CHANGES: readonly Change[] = [
  (random, input) => {
    const position = place(random, input, 1)
    if (position >= 0) input[position] = (input[position] as number) ^ (1 << random.below(8))
    return input
  },
  (random, input) => {
    const position = place(random, input, 1)
    if (position >= 0) input[position] = pick(random, ODD_BYTES)
    return input
  },
  // Counts and lengths are small numbers: one more or less is a lie that looks like the truth.
  (random, input) => {
    const position = place(random, input, 1)
    if (position >= 0) input[position] = (input[position] as number) + random.below(7) - 3
    return input
  },
  (random, input) => {
    const position = place(random, input, 2)
    if (position >= 0) input.writeInt16BE(pick(random, ODD_INT16), position)
    return input
  },
  (random, input) => {
    const position = place(random, input, 4)
    if (position >= 0) input.writeInt32BE(pick(random, ODD_INT32), position)
    return input
  },
  (random, input) => {
    const position = place(random, input, 8)
    if (position >= 0) input.writeBigInt64BE(pick(random, ODD_INT64), position)
    return input
  },
  (random, input) => overwrite(input, random.below(input.length + 1), pick(random, ODD_VARINTS)),
  (random, input) => insert(input, random.below(input.length + 1), pick(random, ODD_VARINTS)),
  (random, input) => input.subarray(0, random.below(input.length + 1)),
  (random, input) =>
    insert(input, random.below(input.length + 1), random.bytes(1 + random.below(8))),
  // Something is missing.
  (random, input) => {
    const start = random.below(input.length + 1)
    return Buffer.concat([input.subarray(0, start), input.subarray(start + 1 + random.below(9))])
  },
  // Something is there twice, or very often.
  (random, input) => insert(input, random.below(input.length + 1), sliceOf(random, input)),
  (random, input) => {
    const slice = sliceOf(random, input)
    const copies = Buffer.alloc(slice.length * (1 + random.below(COPIES_MAX)), slice)
    return insert(input, random.below(input.length + 1), copies)
  },
  // The beginning of one, the end of another.
  (random, input, other) =>
    Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]),
  (random, input, other) => insert(input, random.below(input.length + 1), sliceOf(random, other)),
  (random, input, other) =>
    overwrite(input, random.below(input.length + 1), sliceOf(random, other)),
]

/** A changed copy of `input`, of at most `bytesMax` bytes; parts may come from `other`. */
export function mutated(random: Random, input: Buffer, other: Buffer, bytesMax: number): Buffer {
  let changed: Buffer = Buffer.from(input)
  for (let left = 1 + random.below(CHANGES_MAX); left > 0; left--) {
    changed = pick(random, CHANGES)(random, changed, other)
  }
  return changed.length > bytesMax ? changed.subarray(0, bytesMax) : changed
}

/** The input with one slice of it so often that it has about `bytes` bytes. */
export function grown(random: Random, input: Buffer, bytes: number): Buffer {
  const slice = sliceOf(random, input)
  const copies =
    slice.length === 0 ? 0 : Math.floor(Math.max(0, bytes - input.length) / slice.length)
  return insert(input, random.below(input.length + 1), Buffer.alloc(copies * slice.length, slice))
}
