import { compressionCodec } from '../protocol/batch-header.ts'
import { LZ4_LEVEL, type Packing } from '../protocol/compress.ts'
import type { BatchRules } from '../protocol/judge-batch.ts'

type Get = (name: string) => string

/** What a topic's configs ask of the batches that are produced to it. */
export function batchRules(get: Get): BatchRules {
  const policies = get('cleanup.policy').split(',')
  return {
    messageBytesMax: Number(get('max.message.bytes')),
    logAppendTime: get('message.timestamp.type').trim() === 'LogAppendTime',
    timestampBeforeMsMax: Number(get('message.timestamp.before.max.ms')),
    timestampAfterMsMax: Number(get('message.timestamp.after.max.ms')),
    keysRequired: policies.some((policy) => policy.trim().toLowerCase() === 'compact'),
    packing: packingOf(get),
  }
}

/** What the broker packs batches with that came otherwise; null: nothing, they stay as they came. */
function packingOf(get: Get): Packing | null {
  const type = get('compression.type').trim().toLowerCase()
  switch (type) {
    case 'uncompressed':
      return { codec: compressionCodec.none, level: 0 }
    case 'gzip':
      return { codec: compressionCodec.gzip, level: Number(get('compression.gzip.level')) }
    case 'snappy':
      return { codec: compressionCodec.snappy, level: 0 }
    case 'lz4':
      return { codec: compressionCodec.lz4, level: LZ4_LEVEL }
    case 'zstd':
      return { codec: compressionCodec.zstd, level: Number(get('compression.zstd.level')) }
    default:
      return null
  }
}

/** Why a topic's batches cannot be packed as its configs ask, or null. */
export function whyNotPacking(get: Get): string | null {
  if (get('compression.type').trim().toLowerCase() !== 'lz4') return null
  const level = get('compression.lz4.level')
  if (Number(level) === LZ4_LEVEL) return null
  return (
    `compression.lz4.level (${level}) can only be ${LZ4_LEVEL} with compression.type=lz4: ` +
    'this broker writes lz4 with its fast compressor alone'
  )
}
