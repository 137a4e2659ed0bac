import { describe, expect, test } from '@jest/globals'
import { BufferPool, type SharedBytes } from '../../base/buffer-pool.ts'
import { type Random, seededRandom } from '../../base/random.ts'
import { FrameReader } from './frame-reader.ts'

const FRAME_BYTES_MAX = 100_000

interface Read {
  readonly reader: FrameReader
  readonly pool: BufferPool
  readonly frames: Buffer[]
  readonly tooLarge: number[]
  /** As the reader tells it. */
  readonly taken: { readonly bytes: number; readonly grownBytes: number }
}

const KIBIBYTE = 1024
/** What a client is given memory for before it has sent anything. */
const FIRST_BYTES = 32 * KIBIBYTE

function reading(
  onFrame: (frame: SharedBytes) => void = () => {},
  { frameBytesMax = FRAME_BYTES_MAX, isShort = (): boolean => false } = {},
): Read {
  const pool = new BufferPool(1024 * 1024)
  const frames: Buffer[] = []
  const tooLarge: number[] = []
  const taken = { bytes: 0, grownBytes: 0 }
  const reader = new FrameReader({
    pool,
    frameBytesMax,
    onBegin: (bytes) => {
      taken.bytes += bytes
    },
    onGrown: (bytes) => {
      taken.bytes += bytes
      taken.grownBytes += bytes
    },
    onEnd: (bytes) => {
      taken.grownBytes -= bytes
    },
    onDropped: (bytes) => {
      taken.bytes -= bytes
    },
    isShort,
    onFrame: (frame) => {
      frames.push(Buffer.from(frame.buffer))
      taken.bytes -= frame.buffer.length
      onFrame(frame)
      frame.release()
    },
    onTooLarge: (sizeBytes) => tooLarge.push(sizeBytes),
  })
  return { reader, pool, frames, tooLarge, taken }
}

function framed(payload: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(payload.length)
  return Buffer.concat([size, payload])
}

function payloads(random: Random, count: number, bytesMax: number): Buffer[] {
  return Array.from({ length: count }, () => random.bytes(8 + random.below(bytesMax)))
}

/** As a socket does it: asks for a buffer, fills a part of it, says how much. */
function receive(reader: FrameReader, bytes: Buffer): number {
  const buffer = reader.nextBuffer()
  const count = bytes.copy(buffer)
  reader.received(count)
  return count
}

describe('FrameReader', () => {
  test('frames come out whole and in order, wherever the bytes are cut', () => {
    const sent = payloads(seededRandom(1), 4, 20)
    const bytes = Buffer.concat(sent.map(framed))
    for (let first = 0; first <= bytes.length; first++) {
      for (const second of [first, first + 1, first + 5, bytes.length]) {
        const { reader, frames } = reading()
        reader.feed(bytes.subarray(0, first))
        reader.feed(bytes.subarray(first, second))
        reader.feed(bytes.subarray(second))
        expect(frames).toEqual(sent)
      }
    }
  })

  test('byte by byte, and through the buffers it gives out, whatever the sizes', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed)
      const sent = payloads(random, 10, seed % 2 === 0 ? 90_000 : 50)
      const bytes = Buffer.concat(sent.map(framed))
      const { reader, pool, frames, tooLarge, taken } = reading(undefined, {
        isShort: () => random.below(3) === 0,
      })
      const pieceMax = seed % 2 === 0 ? 70_000 : 3
      for (let at = 0; at < bytes.length; ) {
        at += receive(reader, bytes.subarray(at, at + 1 + random.below(pieceMax)))
      }
      expect(frames.map((frame, at) => frame.equals(sent[at] as Buffer))).toEqual(
        Array(10).fill(true),
      )
      expect([pool.bytesInUse, tooLarge]).toEqual([0, []])
      expect(taken).toEqual({ bytes: 0, grownBytes: 0 })
    }
  })

  test('the rest of a large frame is read straight into its memory, once such ones have come', () => {
    const { reader, frames } = reading()
    const random = seededRandom(2)
    const first = random.bytes(50_000)
    for (let at = 0, bytes = framed(first); at < bytes.length; ) {
      at += receive(reader, bytes.subarray(at))
    }
    const sent = random.bytes(80_000)
    const bytes = framed(sent)
    receive(reader, bytes.subarray(0, 1_000))
    const buffer = reader.nextBuffer()
    expect(buffer.length).toBe(bytes.length - 1_000)
    bytes.copy(buffer, 0, 1_000)
    reader.received(buffer.length)
    expect(frames.map((frame) => frame.length)).toEqual([50_000, 80_000])
    expect(frames[1]?.equals(sent)).toBe(true)
  })

  test('a size alone takes no memory to speak of; what is taken is at most twice what has come', () => {
    const frameBytesMax = 100 * KIBIBYTE * KIBIBYTE
    const { reader, pool, frames, taken } = reading(undefined, { frameBytesMax })
    const size = Buffer.alloc(4)
    size.writeInt32BE(frameBytesMax)
    receive(reader, size)
    expect(pool.bytesInUse).toBeLessThanOrEqual(FIRST_BYTES)
    const bytes = Buffer.alloc(64 * KIBIBYTE, 1)
    for (let sent = 0; sent < frameBytesMax / 10; ) {
      sent += receive(reader, bytes)
      expect(pool.bytesInUse).toBe(taken.bytes)
      expect(taken.bytes).toBeGreaterThanOrEqual(sent)
      expect(taken.bytes).toBeLessThanOrEqual(Math.max(FIRST_BYTES, 2 * sent))
    }
    expect([frames, reader.isGrowing]).toEqual([[], true])
    reader.close()
    expect([pool.bytesInUse, taken]).toEqual([0, { bytes: 0, grownBytes: 0 }])
  })

  test('while memory is short no more of it is taken than one read brings, whatever was sent before', () => {
    const short = { now: false }
    const { reader, pool } = reading(undefined, { isShort: () => short.now })
    const bytes = framed(Buffer.alloc(FRAME_BYTES_MAX, 1))
    for (let at = 0; at < bytes.length; ) at += receive(reader, bytes.subarray(at))
    short.now = true
    for (let at = 0; at < 90_000; ) {
      at += receive(reader, bytes.subarray(at))
      expect(pool.bytesInUse).toBeLessThanOrEqual(at + FIRST_BYTES)
    }
  })

  test.each([-1, 0, 7, FRAME_BYTES_MAX + 1, 0x7fff_ffff, -0x8000_0000])(
    'a size of %i ends it before any memory is taken',
    (size) => {
      const { reader, pool, frames, tooLarge } = reading()
      const good = Buffer.alloc(8, 1)
      const bad = Buffer.alloc(12)
      bad.writeInt32BE(size)
      reader.feed(Buffer.concat([framed(good), bad, framed(good)]))
      expect([frames, tooLarge, pool.bytesInUse]).toEqual([[good], [size], 0])
      receive(reader, framed(good))
      expect(frames).toHaveLength(1)
    },
  )

  test('closed, it gives back what it holds, once, and takes nothing more', () => {
    const { reader, pool, frames } = reading()
    const bytes = framed(Buffer.alloc(80_000, 1))
    let at = 0
    while (at < 40_000) at += receive(reader, bytes.subarray(at, 40_000))
    expect(pool.bytesInUse).toBeGreaterThan(40_000 - 4)
    reader.close()
    reader.close()
    expect(pool.bytesInUse).toBe(0)
    receive(reader, bytes.subarray(at))
    expect([frames, pool.bytesInUse]).toEqual([[], 0])
  })

  test('closed by what a frame says, it hands out no other one that came with it', () => {
    const made: { read?: Read } = {}
    made.read = reading(() => made.read?.reader.close())
    const good = framed(Buffer.alloc(8))
    made.read.reader.feed(Buffer.concat([good, good, good]))
    expect([made.read.frames.length, made.read.pool.bytesInUse]).toEqual([1, 0])
  })
})
