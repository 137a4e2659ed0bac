import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { compressionCodec } from './batch-header.ts'
import { DecodeError } from './reader.ts'

/** What a batch may be when unpacked: a small batch of zeros could ask for gigabytes otherwise. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024

/** What any batch may unpack to, however small it is; beyond this the ratio counts. */
const UNPACKED_BYTES_FREE = 8 * 1024 * 1024
/** What gzip can reach. Zstandard goes far beyond with bytes that are all alike. */
const RATIO_MAX = 1032

/** What a batch from a client may unpack to when it is looked into, by the size that it has packed. */
export function unpackedBytesMax(packedBytes: number): number {
  return Math.min(UNPACKED_BYTES_MAX, Math.max(UNPACKED_BYTES_FREE, packedBytes * RATIO_MAX))
}

/** What {@link decompress} makes of so many bytes at most; some codecs cannot say so much with so few. */
export function unpackableBytes(codec: number, packedBytes: number): number {
  const ratios: Record<number, number> = {
    [compressionCodec.none]: 1,
    [compressionCodec.gzip]: RATIO_MAX,
    [compressionCodec.snappy]: SNAPPY_RATIO_MAX,
    [compressionCodec.lz4]: LZ4_RATIO_MAX,
  }
  return Math.min(unpackedBytesMax(packedBytes), packedBytes * (ratios[codec] ?? Infinity))
}

/** The bytes may be fine, but would be more than is allowed. */
class UnpackedTooLargeError extends DecodeError {
  /** What it is known by: two copies of a module may be loaded in a test run. */
  readonly isTooLarge = true
}

const gunzipAsync = promisify(gunzip)
const zstdDecompressAsync = promisify(zstdDecompress)

/**
 * Unpacks what was compressed with the codec of that number, on a thread of its own. Throws a
 * DecodeError where the bytes are not what they should be, its UnpackedTooLargeError where they would
 * be more than `bytesMax`; nothing is allocated for a size that is only claimed.
 * `packed` must stay as it is until then.
 */
export async function decompress(
  codec: number,
  packed: Buffer,
  bytesMax = UNPACKED_BYTES_MAX,
): Promise<Buffer> {
  try {
    switch (codec) {
      case compressionCodec.none:
        return packed
      case compressionCodec.gzip:
        return await gunzipAsync(packed, { maxOutputLength: bytesMax })
      case compressionCodec.zstd:
        return await zstdDecompressAsync(packed, { maxOutputLength: bytesMax })
      case compressionCodec.snappy:
        return await unsnappy(packed, bytesMax)
      case compressionCodec.lz4:
        return await unlz4(packed, bytesMax)
      default:
        throw new DecodeError(`there is no compression codec ${codec}`)
    }
  } catch (error) {
    if ((error as Error).name === 'DecodeError') throw error
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new UnpackedTooLargeError(`it unpacks to more than ${bytesMax} bytes`)
    }
    throw new DecodeError(`codec ${codec} cannot unpack: ${(error as Error).message}`)
  }
}

/**
 * Blocks up to so large are unpacked on this thread, so many in a row: another thread takes longer to
 * be asked than to unpack them, and a batch may have 100,000 of them.
 */
const SNAPPY_BYTES_HERE = 1024
const SNAPPY_BLOCKS_HERE = 64

/** Java's snappy puts blocks behind this; others compress everything as one block without it. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
/** The magic and two versions of four bytes. */
const XERIAL_HEADER_BYTES = 16

async function unsnappy(packed: Buffer, bytesMax: number): Promise<Buffer> {
  const blocks = packed.subarray(0, 8).equals(XERIAL_MAGIC) ? xerialBlocks(packed) : [packed]
  let bytes = 0
  for (const block of blocks) bytes += snappyBytes(block)
  refuseMoreThan(bytesMax, bytes)
  const { uncompress, uncompressSync } = await import('snappy')
  const unpacked: Buffer[] = []
  for (const [index, block] of blocks.entries()) {
    // Now and then the others of this thread have their turn.
    const isHere = snappyBytes(block) <= SNAPPY_BYTES_HERE && index % SNAPPY_BLOCKS_HERE !== 0
    unpacked.push((isHere ? uncompressSync(block) : await uncompress(block)) as Buffer)
  }
  return unpacked.length === 1 ? (unpacked[0] as Buffer) : Buffer.concat(unpacked, bytes)
}

function xerialBlocks(packed: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  let position = XERIAL_HEADER_BYTES
  while (position < packed.length) {
    if (position + 4 > packed.length) throw new DecodeError('a block of snappy has no length')
    const start = position + 4
    position = start + packed.readUInt32BE(position)
    if (position > packed.length) throw new DecodeError('a block of snappy is cut off')
    blocks.push(packed.subarray(start, position))
  }
  return blocks
}

/** Three bytes of snappy copy 64 at most: nothing in its format says more with less. */
const SNAPPY_RATIO_MAX = 22

/**
 * What a block of snappy says that it unpacks to: a varint at its start, seven bits a byte. So much
 * is allocated for it, so it must not be more than the block can have.
 */
function snappyBytes(block: Buffer): number {
  let value = 0
  for (let index = 0; index < 5; index++) {
    const byte = block[index]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte >= 0x80) continue
    if (value > block.length * SNAPPY_RATIO_MAX) {
      throw new DecodeError('a block of snappy claims more bytes than it can have')
    }
    return value
  }
  throw new DecodeError('a block of snappy has no size')
}

async function unlz4(packed: Buffer, bytesMax: number): Promise<Buffer> {
  refuseMoreThan(bytesMax, lz4BytesMax(packed))
  const { decompressFrame } = await import('lz4-napi')
  return decompressFrame(packed)
}

const LZ4_MAGIC = 0x184d2204
/** A byte of lz4 never stands for more bytes than this. */
const LZ4_RATIO_MAX = 255
const LZ4_STORED_BIT = 0x8000_0000

/**
 * What the frame can unpack to at most, found by walking its blocks (LZ4 frame format 1.6): the
 * blocks' maximum is in the frame's header, and the format itself bounds what their bytes can say.
 */
function lz4BytesMax(packed: Buffer): number {
  if (packed.length < 7 || packed.readUInt32LE(0) !== LZ4_MAGIC) {
    throw new DecodeError('this is no frame of lz4')
  }
  const flags = packed.readUInt8(4)
  const hasBlockChecksums = (flags & 0x10) !== 0
  const hasContentSize = (flags & 0x08) !== 0
  const hasDictionary = (flags & 0x01) !== 0
  const blockBytesMax = 2 ** (8 + 2 * ((packed.readUInt8(5) >> 4) & 0x07))
  let position = 7 + (hasContentSize ? 8 : 0) + (hasDictionary ? 4 : 0)
  let bytes = 0
  while (position + 4 <= packed.length) {
    const word = packed.readUInt32LE(position)
    // The end mark; what may follow is a checksum.
    if (word === 0) return bytes
    const sizeBytes = word % LZ4_STORED_BIT
    bytes += word >= LZ4_STORED_BIT ? sizeBytes : Math.min(blockBytesMax, sizeBytes * LZ4_RATIO_MAX)
    position += 4 + sizeBytes + (hasBlockChecksums ? 4 : 0)
  }
  throw new DecodeError('a frame of lz4 is cut off')
}

function refuseMoreThan(bytesMax: number, bytes: number): void {
  if (bytes > bytesMax) {
    throw new UnpackedTooLargeError(`it may unpack to ${bytes} bytes, beyond ${bytesMax}`)
  }
}
