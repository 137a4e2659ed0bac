import { join } from 'node:path'
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { compressFrame } from 'lz4-napi'
import { compress as snappyCompress } from 'snappy'
import { FETCH_MS_MAX, runJavaWithKafka } from '../testing/kafka-tools.ts'
import { attributes, batchBytes, COMPRESSION_MASK, compressionCodec } from './batch-header.ts'
import { decompress, unpackableBytes, unpackedBytesMax } from './compression.ts'
import { findRecord, type RecordPlace, unpackRecords } from './records.ts'

const { gzip, snappy, lz4, zstd } = compressionCodec

async function placesIn(batch: Buffer): Promise<RecordPlace[]> {
  const records = await unpackRecords(batch, 0)
  const places: RecordPlace[] = []
  findRecord(batch, 0, records, (offset, timestampMs) => {
    places.push({ offset, timestampMs })
    return false
  })
  return places
}

test(
  'every record that Kafka packs is found, with its offset and time, whatever the codec',
  async () => {
    const output = await runJavaWithKafka(join(import.meta.dirname, 'KafkaPacked.java'))
    const lines = output.trim().split('\n')
    const codecs = new Set<number>()
    for (const line of lines) {
      const [name, type, hex, expected] = line.split(' ')
      const batch = Buffer.from(hex ?? '', 'hex')
      codecs.add(attributes(batch) & COMPRESSION_MASK)
      expect(batchBytes(batch)).toBe(batch.length)
      const places = await placesIn(batch)
      const found = places.map(({ offset, timestampMs }) => `${offset}:${timestampMs}`).join()
      expect({ name, type, found }).toEqual({ name, type, found: expected })
    }
    expect(codecs).toEqual(new Set(Object.values(compressionCodec)))
  },
  FETCH_MS_MAX,
)

/** Compresses well, though not to nothing. */
const text = Buffer.from('so much of the same, '.repeat(20_000))

async function packed(codec: number, plain: Buffer): Promise<Buffer> {
  switch (codec) {
    case gzip:
      return gzipSync(plain)
    case zstd:
      return zstdCompressSync(plain)
    case lz4:
      return compressFrame(plain)
    default:
      return snappyCompress(plain)
  }
}

describe.each(Object.entries({ gzip, snappy, lz4, zstd }))('%s', (_name, codec) => {
  test.each([100, 5_000, 2_000_000])(
    'what %i bytes that are alike may unpack to',
    async (bytes) => {
      const bomb = await packed(codec, Buffer.alloc(bytes))
      const unpacked = await decompress(codec, bomb, unpackedBytesMax(bomb.length))
      expect(unpackableBytes(codec, bomb.length)).toBeGreaterThanOrEqual(unpacked.length)
      expect(unpackableBytes(codec, bomb.length)).toBeLessThanOrEqual(unpackedBytesMax(bomb.length))
    },
  )

  test('gives back what was packed, in its plain form too', async () => {
    const unpacked = await decompress(codec, await packed(codec, text))
    expect(unpacked.equals(text)).toBe(true)
  })

  test('unpacks nothing larger than it is allowed to', async () => {
    const bomb = await packed(codec, Buffer.alloc(8 * 1024 * 1024))
    await expect(decompress(codec, bomb, 1024 * 1024)).rejects.toMatchObject({
      name: 'DecodeError',
      isTooLarge: true,
    })
    expect((await decompress(codec, bomb)).length).toBe(8 * 1024 * 1024)
  })

  test('refuses bytes that are cut off or no packed bytes at all, at any length', async () => {
    const whole = await packed(codec, text)
    for (const length of [0, 1, 3, 4, 8, 17, whole.length >> 1, whole.length - 5]) {
      await expect(decompress(codec, whole.subarray(0, length))).rejects.toMatchObject({
        name: 'DecodeError',
      })
    }
    const garbage = deflateRawSync(text)
    await expect(decompress(codec, garbage)).rejects.toMatchObject({ name: 'DecodeError' })
  })
})

test('a block of snappy cannot claim a size that it does not have', async () => {
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0])
  await expect(decompress(snappy, claim)).rejects.toMatchObject({ name: 'DecodeError' })
  // 16 MiB, of which there are 5 bytes: allowed, if the claim alone were asked.
  const within = Buffer.from([0x80, 0x80, 0x80, 0x08, 0])
  await expect(decompress(snappy, within)).rejects.toMatchObject({
    message: expect.stringContaining('claims'),
  })
  const block = await snappyCompress(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(block.length + 1)
  const magic = Buffer.from('82534e4150505900' + '0000000100000001', 'hex')
  await expect(decompress(snappy, Buffer.concat([magic, length, block]))).rejects.toMatchObject({
    name: 'DecodeError',
  })
})

test('snappy in thousands of blocks, tiny and large ones, comes out in order', async () => {
  const magic = Buffer.from('82534e4150505900' + '0000000100000001', 'hex')
  const parts = Array.from({ length: 2_000 }, (_, index) =>
    Buffer.alloc(index % 100 === 7 ? 3_000 : 1 + (index % 5), `${index},`),
  )
  const pieces: Buffer[] = [magic]
  for (const part of parts) {
    const block = await snappyCompress(part)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(block.length)
    pieces.push(length, block)
  }
  const unpacked = await decompress(snappy, Buffer.concat(pieces))
  expect(unpacked.equals(Buffer.concat(parts))).toBe(true)
})

test('a codec that does not exist is refused', async () => {
  await expect(decompress(5, text)).rejects.toMatchObject({ name: 'DecodeError' })
})
