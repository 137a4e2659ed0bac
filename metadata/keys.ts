import { createHash } from 'node:crypto'

/** Every key in the bucket, in one place (design §2). A seq has 20 digits, so keys sort by it. */
const SEQ_DIGITS = 20

function seqText(seq: number): string {
  return String(seq).padStart(SEQ_DIGITS, '0')
}

/** The seq at the end of a key. */
export function seqOfKey(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

/** Spreads nodes over a store's key space, so that one key prefix never becomes the limit. */
function spread(nodeId: number): string {
  return createHash('sha256').update(String(nodeId)).digest('hex').slice(0, 4)
}

export const METADATA_LOG_PREFIX = 'meta/log/'
export const METADATA_SNAPSHOT_PREFIX = 'meta/snapshot/'
export const METADATA_BOUNDARY_PREFIX = 'meta/boundary/'

export const metadataLogKey = (seq: number): string => METADATA_LOG_PREFIX + seqText(seq)
export const metadataSnapshotKey = (seq: number): string => METADATA_SNAPSHOT_PREFIX + seqText(seq)
export const metadataBoundaryKey = (seq: number): string => METADATA_BOUNDARY_PREFIX + seqText(seq)

export const walPrefix = (nodeId: number): string => `wal/${spread(nodeId)}/${nodeId}/`
export const walKey = (nodeId: number, seq: number): string => walPrefix(nodeId) + seqText(seq)
export const checkpointPrefix = (nodeId: number): string => `ckpt/${spread(nodeId)}/${nodeId}/`
export const checkpointKey = (nodeId: number, seq: number): string =>
  checkpointPrefix(nodeId) + seqText(seq)
