import { promisify } from 'node:util'
import { constants, gzip, zstdCompress } from 'node:zlib'
import { assert } from '../../base/assert.ts'
import { compressionCodec } from './batch-header.ts'

const gzipAsync = promisify(gzip)
const zstdCompressAsync = promisify(zstdCompress)

/** How a topic's batches are packed by the broker. */
export interface Packing {
  readonly codec: number
  /** Of gzip and zstd, as their libraries number it; the other codecs have but one. */
  readonly level: number
}

/**
 * The level of lz4 that stands for its fast compressor, Kafka's default (KIP-390). The other levels
 * are another algorithm, which the library that is used here does not have.
 */
export const LZ4_LEVEL = 9

/** What each codec has by default in Kafka's CompressionType; 0 where there are no levels. */
export const LEVEL_BY_DEFAULT: readonly number[] = [0, -1, 0, LZ4_LEVEL, 3]

/**
 * Packs `plain` on a thread of its own, in the form that Kafka itself writes and that all clients
 * read. `plain` must stay as it is until then.
 */
export async function compress({ codec, level }: Packing, plain: Buffer): Promise<Buffer> {
  switch (codec) {
    case compressionCodec.none:
      return plain
    case compressionCodec.gzip:
      return await gzipAsync(plain, { level })
    case compressionCodec.zstd:
      return await zstdCompressAsync(plain, {
        params: { [constants.ZSTD_c_compressionLevel]: level },
      })
    case compressionCodec.snappy:
      return await snappyBlocks(plain)
    default: {
      assert(codec === compressionCodec.lz4, `there is no compression codec ${codec}`)
      // Its blocks do not refer to each other: Java's reader does not know any other kind.
      const { compressFrame } = await import('lz4-napi')
      return await compressFrame(plain)
    }
  }
}

/** The magic, the format's version, and the lowest version that can read it. */
const XERIAL_HEADER = Buffer.from('82534e41505059000000000100000001', 'hex')
/** As Java's library has it, which readers are made for. */
const SNAPPY_BLOCK_BYTES = 32 * 1024

/** Blocks behind a header, as Java's snappy writes them; each with its length before it. */
async function snappyBlocks(plain: Buffer): Promise<Buffer> {
  const { compress: pack } = await import('snappy')
  const pieces: Buffer[] = [XERIAL_HEADER]
  for (let position = 0; position < plain.length; position += SNAPPY_BLOCK_BYTES) {
    const block = await pack(plain.subarray(position, position + SNAPPY_BLOCK_BYTES))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(block.length)
    pieces.push(length, block)
  }
  return Buffer.concat(pieces)
}
