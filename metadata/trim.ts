import { assert } from '../base/assert.ts'
import { createDecided } from '../object-store/create.ts'
import type { AppliedState } from './applied.ts'
import { encodeBoundary } from './batch.ts'
import {
  METADATA_BOUNDARY_PREFIX,
  METADATA_LOG_PREFIX,
  METADATA_SNAPSHOT_PREFIX,
  metadataBoundaryKey,
  metadataLogKey,
  metadataSnapshotKey,
} from './keys.ts'
import type { LogContext } from './log-context.ts'
import type { LogReader } from './log-reader.ts'
import { listSeqs } from './log-reader.ts'
import { encodeSnapshot } from './snapshot.ts'

/** S3 deletes at most so many objects per request. */
const DELETE_KEYS_MAX = 1_000

/** The older one is for a reader that lists just before the newest is written. */
const SNAPSHOTS_KEPT = 2

/** Writes a snapshot of `applied` as it is now. Returns its seq. */
export async function writeSnapshot(context: LogContext, applied: AppliedState): Promise<number> {
  const { seq } = applied
  assert(seq > 0, 'a snapshot has something to hold')
  const identity = { nodeId: context.writerNodeId(), seq, nonce: context.random.bytes(16) }
  const body = encodeSnapshot(identity, applied)
  // Losing is as good as winning: the winner's image of the same seq is the same.
  await createDecided(context.store, metadataSnapshotKey(seq), body, context.createOptions)
  return seq
}

/**
 * Deletes what a reader of the newest snapshot does not need, but keeps at least `keepBatches`
 * batches. Several may trim at once. Returns the boundary: the lowest seq that is left.
 */
export async function trimLog(
  context: LogContext,
  reader: LogReader,
  options: { keepBatches: number },
): Promise<number> {
  const { store } = context
  const { keepBatches } = options
  assert(Number.isInteger(keepBatches) && keepBatches >= 0, 'a count of batches is kept')
  const snapshots: number[] = []
  for await (const seq of listSeqs(store, METADATA_SNAPSHOT_PREFIX)) snapshots.push(seq)
  const newest = snapshots.at(-1)
  if (newest === undefined) return reader.readBoundary()
  const target = newest - keepBatches + 1
  if (target > (await reader.readBoundary())) await raiseBoundary(context, target)
  // Raised, and durable, before anything below it is deleted (R10).
  const boundary = await reader.readBoundary()
  await deleteBelow(context, METADATA_LOG_PREFIX, metadataLogKey, boundary)
  await deleteBelow(context, METADATA_BOUNDARY_PREFIX, metadataBoundaryKey, boundary)
  const keptFrom = snapshots.at(-SNAPSHOTS_KEPT) ?? 0
  await deleteBelow(context, METADATA_SNAPSHOT_PREFIX, metadataSnapshotKey, keptFrom)
  return boundary
}

async function raiseBoundary(context: LogContext, seq: number): Promise<void> {
  const identity = { nodeId: context.writerNodeId(), seq, nonce: context.random.bytes(16) }
  const body = encodeBoundary(identity)
  await createDecided(context.store, metadataBoundaryKey(seq), body, context.createOptions)
}

/** Deletes the objects below `endSeq`, also those that landed there late. */
async function deleteBelow(
  context: LogContext,
  prefix: string,
  keyOf: (seq: number) => string,
  endSeq: number,
): Promise<void> {
  let keys: string[] = []
  for await (const seq of listSeqs(context.store, prefix)) {
    if (seq >= endSeq) break
    keys.push(keyOf(seq))
    if (keys.length < DELETE_KEYS_MAX) continue
    await context.store.delete(keys)
    keys = []
  }
  if (keys.length > 0) await context.store.delete(keys)
}
