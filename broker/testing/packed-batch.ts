import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import {
  attributes,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_END,
  compressionCodec,
  setCrc,
} from '../protocol/batch-header.ts'

const ATTRIBUTES_POSITION = 21
const LENGTH_POSITION = 8

/** `batch` with its records replaced by `packed`, said to be packed with that codec. */
export function withPackedRecords(batch: Buffer, codec: number, packed: Uint8Array): Buffer {
  const whole = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), packed])
  whole.writeInt16BE(attributes(batch) | codec, ATTRIBUTES_POSITION)
  whole.writeInt32BE(whole.length - BATCH_LENGTH_END, LENGTH_POSITION)
  setCrc(whole, 0)
  return whole
}

/** An uncompressed batch, compressed as a client would. */
export function packBatch(batch: Buffer, codec: number): Buffer {
  const plain = batch.subarray(BATCH_HEADER_BYTES)
  switch (codec) {
    case compressionCodec.none:
      return batch
    case compressionCodec.gzip:
      return withPackedRecords(batch, codec, gzipSync(plain))
    case compressionCodec.snappy:
      return withPackedRecords(batch, codec, compressSync(plain))
    case compressionCodec.lz4:
      return withPackedRecords(batch, codec, compressFrameSync(plain))
    default:
      return withPackedRecords(batch, codec, zstdCompressSync(plain))
  }
}
