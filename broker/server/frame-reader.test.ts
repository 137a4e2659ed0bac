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
}

function reading(onFrame: (frame: SharedBytes) => void = () => {}): Read {
  const pool = new BufferPool(1024 * 1024)
  const frames: Buffer[] = []
  const tooLarge: number[] = []
  const reader = new FrameReader({
    pool,
    frameBytesMax: FRAME_BYTES_MAX,
    onFrame: (frame) => {
      frames.push(Buffer.from(frame.buffer))
      onFrame(frame)
      frame.release()
    },
    onTooLarge: (sizeBytes) => tooLarge.push(sizeBytes),
  })
  return { reader, pool, frames, tooLarge }
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
      const { reader, pool, frames, tooLarge } = reading()
      const pieceMax = seed % 2 === 0 ? 70_000 : 3
      for (let at = 0; at < bytes.length; ) {
        at += receive(reader, bytes.subarray(at, at + 1 + random.below(pieceMax)))
      }
      expect(frames.map((frame, at) => frame.equals(sent[at] as Buffer))).toEqual(
        Array(10).fill(true),
      )
      expect([pool.bytesInUse, tooLarge]).toEqual([0, []])
    }
  })

  test('the rest of a large frame is read straight into its memory', () => {
    const { reader, frames } = reading()
    const sent = seededRandom(2).bytes(80_000)
    const bytes = framed(sent)
    receive(reader, bytes.subarray(0, 1_000))
    const buffer = reader.nextBuffer()
    expect(buffer.length).toBe(bytes.length - 1_000)
    bytes.copy(buffer, 0, 1_000)
    reader.received(buffer.length)
    expect(frames).toHaveLength(1)
    expect(frames[0]?.equals(sent)).toBe(true)
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
    const bytes = framed(Buffer.alloc(50_000, 1))
    receive(reader, bytes.subarray(0, 10_000))
    expect(pool.bytesInUse).toBe(50_000)
    reader.close()
    reader.close()
    expect(pool.bytesInUse).toBe(0)
    receive(reader, bytes.subarray(10_000))
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
