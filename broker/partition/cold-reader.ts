import { corrupt } from '../../metadata/framing.ts'
import { walKey } from '../../metadata/keys.ts'
import { type ObjectStore, StoreError } from '../../object-store/store.ts'
import type { Run, RunTable } from './run-table.ts'

/** Runs that one cold read looks at, at most: bounds requests in flight per read. */
const RUNS_PER_READ_MAX = 8

/** The start of a batch: base offset (8), length (4); the rest of the header is not needed. */
const BATCH_LENGTH_POSITION = 8
const BATCH_OVERHEAD_BYTES = 12
const LAST_OFFSET_DELTA_POSITION = 23

/** One batch found in a run. `position` is in bytes from the start of the run. */
export interface FoundBatch {
  readonly position: number
  readonly sizeBytes: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** Walks the batches of a run. Throws StoreError `corrupt` where they are not what they must be. */
export function* batchesOf(run: Run, bytes: Buffer): Iterable<FoundBatch> {
  const key = walKey(run.nodeId, run.seq)
  const refuse = (why: string): never => {
    const where = `the run at byte ${run.position}`
    throw new StoreError('corrupt', key, `log object ${key}, ${where}: ${why}`)
  }
  if (bytes.length !== run.sizeBytes) refuse(`it has ${bytes.length} bytes, not ${run.sizeBytes}`)
  let offset = run.baseOffset
  for (let position = 0; position < bytes.length; ) {
    if (position + 61 > bytes.length) refuse('a batch header is cut off')
    const sizeBytes = bytes.readInt32BE(position + BATCH_LENGTH_POSITION) + BATCH_OVERHEAD_BYTES
    const baseOffset =
      bytes.readUInt32BE(position) * 0x1_0000_0000 + bytes.readUInt32BE(position + 4)
    if (baseOffset !== offset) refuse(`offset ${baseOffset} stands where ${offset} is due`)
    if (sizeBytes < 61 || position + sizeBytes > bytes.length) refuse('a batch has no such length')
    const lastOffset = offset + bytes.readInt32BE(position + LAST_OFFSET_DELTA_POSITION)
    yield { position, sizeBytes, baseOffset, lastOffset }
    offset = lastOffset + 1
    position += sizeBytes
  }
  if (offset !== run.endOffset) refuse(`it ends at offset ${offset}, not at ${run.endOffset}`)
}

/**
 * Reads runs that are no longer in memory by range GETs. Runs read lately are kept, within a byte
 * budget, since one run usually serves several fetches, and several consumers.
 */
export class ColdReader {
  private readonly store: ObjectStore
  private readonly bytesMax: number
  /** In order of use, oldest first. */
  private readonly cache = new Map<string, Promise<Buffer>>()
  private readonly sizes = new Map<string, number>()
  private cachedBytes = 0

  constructor(store: ObjectStore, bytesMax: number) {
    this.store = store
    this.bytesMax = bytesMax
  }

  /** The bytes of a whole run. */
  readRun(run: Run): Promise<Buffer> {
    const id = `${run.nodeId}/${run.seq}/${run.position}`
    const cached = this.cache.get(id)
    if (cached !== undefined) {
      this.cache.delete(id)
      this.cache.set(id, cached)
      return cached
    }
    const reading = this.fetch(run)
    this.cache.set(id, reading)
    this.sizes.set(id, run.sizeBytes)
    this.cachedBytes += run.sizeBytes
    reading.catch(() => {
      // It may have been dropped and be read again by now.
      if (this.cache.get(id) === reading) this.drop(id)
    })
    for (const oldest of this.cache.keys()) {
      if (this.cachedBytes <= this.bytesMax || oldest === id) break
      this.drop(oldest)
    }
    return reading
  }

  private drop(id: string): void {
    if (!this.cache.delete(id)) return
    this.cachedBytes -= this.sizes.get(id) ?? 0
    this.sizes.delete(id)
  }

  private async fetch(run: Run): Promise<Buffer> {
    const key = walKey(run.nodeId, run.seq)
    const range = { start: run.position, end: run.position + run.sizeBytes }
    const bytes = await this.store.get(key, range)
    if (bytes === null) {
      throw new StoreError('corrupt', key, `log object ${key} is referred to, but does not exist`)
    }
    // Here, so that an answer that was cut off is not kept and given to everybody.
    if (bytes.length !== run.sizeBytes) {
      throw corrupt(key, `a run of it has ${bytes.length} bytes, not ${run.sizeBytes}`)
    }
    return bytes
  }

  /**
   * Reads whole batches from `offset` on, up to `bytesMax` but at least one. `offset` must lie in
   * `runs`. The buffers are shared with the cache: never write to them.
   */
  async read(runs: RunTable, offset: number, bytesMax: number): Promise<Buffer[]> {
    const wanted: Run[] = []
    let expectedBytes = 0
    const first = runs.indexOf(offset)
    for (let index = first; index >= 0 && index < runs.length; index++) {
      const run = runs.at(index)
      wanted.push(run)
      // The first run may be nearly over at the offset, so it does not count towards the limit.
      if (index > first) expectedBytes += run.sizeBytes
      if (expectedBytes >= bytesMax || wanted.length >= RUNS_PER_READ_MAX) break
    }
    const pieces: Buffer[] = []
    let bytes = 0
    const buffers = await Promise.all(wanted.map((run) => this.readRun(run)))
    for (const [index, run] of wanted.entries()) {
      const buffer = buffers[index] as Buffer
      let start = -1
      let end = -1
      for (const batch of batchesOf(run, buffer)) {
        if (batch.lastOffset < offset) continue
        if (bytes > 0 && bytes + batch.sizeBytes > bytesMax) {
          if (start >= 0) pieces.push(buffer.subarray(start, end))
          return pieces
        }
        if (start < 0) start = batch.position
        end = batch.position + batch.sizeBytes
        bytes += batch.sizeBytes
      }
      if (start >= 0) pieces.push(buffer.subarray(start, end))
    }
    return pieces
  }
}
