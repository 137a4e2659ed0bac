import type { ObjectStore } from '../object-store/store.ts'
import { StoreError } from '../object-store/store.ts'
import { corrupt } from './framing.ts'
import {
  METADATA_BOUNDARY_PREFIX,
  METADATA_SNAPSHOT_PREFIX,
  metadataBoundaryKey,
  metadataLogKey,
  metadataSnapshotKey,
  seqOfKey,
} from './keys.ts'
import type { MetadataState } from './snapshot.ts'
import { decodeSnapshot } from './snapshot.ts'

/** A snapshot can be deleted between LIST and GET only when two newer ones are written. */
const SNAPSHOT_TRIES_MAX = 10

/** The seqs of the objects with `prefix`, rising, of those above `afterKey`. One LIST per 1,000. */
export async function* listSeqs(
  store: ObjectStore,
  prefix: string,
  afterKey?: string,
): AsyncGenerator<number> {
  let startAfter = afterKey
  for (;;) {
    const page = await store.list({ prefix, startAfter })
    for (const { key } of page) {
      const seq = seqOfKey(key)
      if (!Number.isSafeInteger(seq)) throw corrupt(key, 'its key has no seq')
      yield seq
    }
    // A page may be short although there is more, so only an empty one is the end.
    startAfter = page.at(-1)?.key
    if (startAfter === undefined) return
  }
}

/** Reads what the metadata log has in the bucket. Keeps nothing but the boundary. */
export class LogReader {
  private readonly store: ObjectStore
  private knownBoundary = 0

  constructor(store: ObjectStore) {
    this.store = store
  }

  /** The highest boundary read so far: keys of the log below it decide nothing any more. */
  get boundary(): number {
    return this.knownBoundary
  }

  /** Reads the boundary from the store. Lower ones, landed late, never count (R10). */
  async readBoundary(): Promise<number> {
    const known = this.knownBoundary
    const afterKey = known > 0 ? metadataBoundaryKey(known) : undefined
    for await (const seq of listSeqs(this.store, METADATA_BOUNDARY_PREFIX, afterKey)) {
      this.knownBoundary = Math.max(this.knownBoundary, seq)
    }
    return this.knownBoundary
  }

  /**
   * Up to `count` objects of the log from `firstSeq` on, in parallel, up to the first absent one.
   * They count only once the boundary, read afterwards, is not above them.
   */
  async readRun(firstSeq: number, count: number): Promise<Buffer[]> {
    const seqs = Array.from({ length: count }, (_, index) => firstSeq + index)
    const objects = await Promise.all(seqs.map((seq) => this.store.get(metadataLogKey(seq))))
    const end = objects.indexOf(null)
    return (end < 0 ? objects : objects.slice(0, end)) as Buffer[]
  }

  /** The newest snapshot above `afterSeq`, or null. */
  async newestSnapshot(afterSeq: number): Promise<MetadataState | null> {
    for (let tries = 0; tries < SNAPSHOT_TRIES_MAX; tries++) {
      let newest = 0
      const afterKey = metadataSnapshotKey(afterSeq)
      for await (const seq of listSeqs(this.store, METADATA_SNAPSHOT_PREFIX, afterKey)) newest = seq
      if (newest === 0) return null
      const bytes = await this.store.get(metadataSnapshotKey(newest))
      if (bytes) return decodeSnapshot(newest, bytes)
    }
    const message = 'snapshots of the metadata log vanish faster than they can be read'
    throw new StoreError('unavailable', METADATA_SNAPSHOT_PREFIX, message)
  }
}
