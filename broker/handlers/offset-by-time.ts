import type { Logger } from '../../base/log.ts'
import { Limiter } from '../limiter.ts'
import { batchesOf, type ColdReader } from '../partition/cold-reader.ts'
import type { Partition } from '../partition/partition.ts'
import type { Run, RunTable } from '../partition/run-table.ts'
import type { CachedRun } from '../partition/tail-cache.ts'
import * as batch from '../protocol/batch-header.ts'
import { findRecord, type RecordPlace, unpackRecords } from '../protocol/records.ts'
import { whileUnpacking } from './unpacking.ts'

/** A record found by its time, with the leader epoch that it was written in. */
export interface FoundRecord extends RecordPlace {
  readonly leaderEpoch: number
}

/** Searches of this process that may read at once. Of these, only so many unpack as of produces. */
const SEARCHES_MAX = 8
const searches = new Limiter(SEARCHES_MAX)

interface Search {
  readonly partition: Partition
  readonly coldReader: ColdReader
  readonly logger: Logger
}

/**
 * The first record from the log start offset on whose time stamp is `timestampMs` or later, or
 * null. Rejects with StoreError.
 */
export async function firstRecordSince(
  search: Search,
  timestampMs: number,
): Promise<FoundRecord | null> {
  const { state } = search.partition
  const first = state === null ? -1 : state.runs.indexOfTimestamp(timestampMs)
  if (state === null || first < 0) return null
  return searches.run(async () => {
    for (let index = first; index < state.runs.length; index++) {
      const run = state.runs.at(index)
      if (run.maxTimestampMs < timestampMs || run.endOffset <= state.logStartOffset) continue
      const found = await inRun(search, run, timestampMs)
      if (found !== null) return found
    }
    return null
  })
}

/** The first of the records with the newest time stamp of all, or null. Rejects with StoreError. */
export async function newestRecord(search: Search): Promise<FoundRecord | null> {
  const { state } = search.partition
  if (state === null) return null
  const newest = newestRun(state.runs, state.logStartOffset)
  if (newest === null) return null
  return searches.run(() => inRun(search, newest, newest.maxTimestampMs))
}

function newestRun(runs: RunTable, logStartOffset: number): Run | null {
  let newest: Run | null = null
  for (let index = 0; index < runs.length; index++) {
    const run = runs.at(index)
    if (run.endOffset <= logStartOffset) continue
    if (newest === null || run.maxTimestampMs > newest.maxTimestampMs) newest = run
  }
  return newest
}

async function inRun(search: Search, run: Run, timestampMs: number): Promise<FoundRecord | null> {
  const { cached } = search.partition
  const inMemory =
    cached.baseOffset <= run.baseOffset ? cached.at(cached.indexOf(run.baseOffset)) : undefined
  if (inMemory !== undefined && inMemory.baseOffset === run.baseOffset) {
    return inCachedRun(search, inMemory, timestampMs)
  }
  const bytes = await search.coldReader.readRun(run)
  for (const { position } of batchesOf(run, bytes)) {
    const found = await inBatch(search, bytes, position, timestampMs)
    if (found !== null) return found
  }
  return null
}

async function inCachedRun(
  search: Search,
  run: CachedRun,
  timestampMs: number,
): Promise<FoundRecord | null> {
  // The cache may let go of the run while a batch is being unpacked.
  for (const frame of run.frames) frame.retain()
  try {
    for (const piece of run.pieces) {
      const found = await inBatch(search, piece, 0, timestampMs)
      if (found !== null) return found
    }
    return null
  } finally {
    for (const frame of run.frames) frame.release()
  }
}

async function inBatch(
  { partition, logger }: Search,
  buffer: Buffer,
  position: number,
  timestampMs: number,
): Promise<FoundRecord | null> {
  const { logStartOffset } = partition
  if (batch.maxTimestamp(buffer, position) < timestampMs) return null
  if (batch.lastOffset(buffer, position) < logStartOffset) return null
  const leaderEpoch = batch.partitionLeaderEpoch(buffer, position)
  const search = async (): Promise<RecordPlace | null> => {
    const records = await unpackRecords(buffer, position)
    return findRecord(buffer, position, records, (offset, recordTimestampMs) => {
      return offset >= logStartOffset && recordTimestampMs >= timestampMs
    })
  }
  try {
    const packed = {
      codec: batch.codecOf(buffer, position),
      bytes: batch.batchBytes(buffer, position),
    }
    const found = await (packed.codec === batch.compressionCodec.none
      ? search()
      : whileUnpacking(packed, search))
    return found === null ? null : { ...found, leaderEpoch }
  } catch (error) {
    // By name: two copies of the module may be loaded in a test run.
    if ((error as Error).name !== 'DecodeError') throw error
    // Packed records need not be looked at when they come in, so a client may have sent what nobody
    // can read. The start of the batch is where a consumer has to deal with it.
    const offset = Math.max(batch.baseOffset(buffer, position), logStartOffset)
    const { topicId, index } = partition
    logger.warn('a batch cannot be unpacked to search it', {
      topicId,
      partition: index,
      offset,
      error,
    })
    return { offset, timestampMs: batch.maxTimestamp(buffer, position), leaderEpoch }
  }
}
