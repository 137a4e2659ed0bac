import { assert } from '../../base/assert.ts'
import { corrupt } from '../../metadata/framing.ts'
import { checkpointKey, walKey } from '../../metadata/keys.ts'
import { newestCheckpointSeq } from '../../metadata/node-objects.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { decodeCheckpoint } from '../wal/checkpoint.ts'
import { decodeLogObjectTail, type IndexEntry } from '../wal/log-object.ts'
import { advanceLogStart, decodeHotState, type HotState, replayRun } from './hot-state.ts'
import { runOf } from './run-table.ts'

/** One epoch of one partition, as a key for maps. */
export function epochKey(topicId: string, partition: number, leaderEpoch: number): string {
  return `${topicId}/${partition}/${leaderEpoch}`
}

/** What a node's checkpoint and WAL say of one epoch of one partition. */
export interface FoundState {
  readonly state: HotState
  /** Whether the epoch was closed; an epoch of a sealed node may have ended without. */
  readonly closed: boolean
}

export type ScanResult =
  | { readonly outcome: 'complete'; readonly found: ReadonlyMap<string, FoundState> }
  /** What was read does not fit what was known when the scan began: read the image again (R3). */
  | { readonly outcome: 'start-over'; readonly why: string }

/** Most indexes are smaller than this, so one read gets them whole. */
const TAIL_BYTES = 64 * 1024
/** Indexes read at once: a scan is bound by the store's latency, not by its bandwidth. */
const READS_IN_FLIGHT = 16

type IndexRead =
  | { kind: 'missing' }
  | { kind: 'fence' }
  | { kind: 'data'; entries: readonly IndexEntry[] }

async function readIndex(store: ObjectStore, nodeId: number, seq: number): Promise<IndexRead> {
  const key = walKey(nodeId, seq)
  for (let tailBytes = TAIL_BYTES; ; ) {
    const tail = await store.get(key, { suffixBytes: tailBytes })
    if (tail === null) return { kind: 'missing' }
    const index = decodeLogObjectTail(key, { nodeId, seq }, tail)
    if (index.kind !== 'more') return index
    // Asking again for more than there is would go on for ever.
    if (tail.length < tailBytes) throw corrupt(key, 'it is shorter than its index')
    tailBytes = index.tailBytes
  }
}

export interface ScanOptions {
  readonly nodeId: number
  readonly sealedEnd: number | null
  /** See {@link epochKey}. */
  readonly wishes: ReadonlySet<string>
  /** The present (clock.wallMs): when the producers in the log count as seen. */
  readonly nowMs: number
}

/** Collects the states that are wished for, one entry after the other. */
class Replay {
  readonly found = new Map<string, FoundState>()
  private readonly options: ScanOptions

  constructor(options: ScanOptions) {
    this.options = options
  }

  get everythingClosed(): boolean {
    if (this.found.size < this.options.wishes.size) return false
    for (const { closed } of this.found.values()) if (!closed) return false
    return true
  }

  /** Only the epoch that is asked for counts, whatever else the node wrote of it (R1). */
  apply(entry: IndexEntry, seq: number): void {
    const id = epochKey(entry.topicId, entry.partition, entry.leaderEpoch)
    if (!this.options.wishes.has(id)) return
    const known = this.found.get(id)
    assert(!known?.closed, `nothing of epoch ${id} follows its close`)
    if (entry.type === 'open' || entry.type === 'close') {
      assert(entry.type === 'close' || known === undefined, `epoch ${id} is opened once`)
      this.found.set(id, { state: decodeHotState(entry.state), closed: entry.type === 'close' })
      return
    }
    assert(known !== undefined, `epoch ${id} begins with an open entry`)
    if (entry.type === 'log-start') {
      advanceLogStart(known.state, entry.offset)
      return
    }
    const { nodeId, nowMs } = this.options
    const { batches, position, leaderEpoch } = entry
    const run = runOf({ nodeId, seq, position }, batches)
    replayRun(known.state, run, leaderEpoch, { batches, nowMs })
  }

  checkpoint(bytes: Buffer, key: string): void {
    for (const entry of decodeCheckpoint(key, bytes)) {
      const id = epochKey(entry.topicId, entry.partition, entry.leaderEpoch)
      if (!this.options.wishes.has(id)) continue
      this.found.set(id, { state: decodeHotState(entry.state), closed: entry.closed })
    }
  }
}

/**
 * Reads the states of `wishes` (see {@link epochKey}) from a node's newest checkpoint and the log
 * objects after it.
 *
 * A sealed node is read up to its sealed end, which comes from the image and is the only thing that
 * ends a WAL (R3); whatever is missing in the result is not in that WAL. Of a living node
 * (`sealedEnd` null) only closed states are returned, from contiguous keys.
 */
export async function scanNode(store: ObjectStore, options: ScanOptions): Promise<ScanResult> {
  const { nodeId, sealedEnd } = options
  const replay = new Replay(options)
  const checkpointSeq = await newestCheckpointSeq(store, nodeId)
  if (checkpointSeq >= 0) {
    const key = checkpointKey(nodeId, checkpointSeq)
    const bytes = await store.get(key)
    if (bytes === null)
      return { outcome: 'start-over', why: `${key} is gone: there is a newer one` }
    replay.checkpoint(bytes, key)
  }
  for (let seq = checkpointSeq + 1; ; seq += READS_IN_FLIGHT) {
    const end = Math.min(seq + READS_IN_FLIGHT, sealedEnd ?? Number.MAX_SAFE_INTEGER)
    if (end <= seq || (sealedEnd === null && replay.everythingClosed)) break
    const reads: Promise<IndexRead>[] = []
    for (let next = seq; next < end; next++) reads.push(readIndex(store, nodeId, next))
    for (const [index, read] of (await Promise.all(reads)).entries()) {
      if (read.kind === 'data') {
        for (const entry of read.entries) replay.apply(entry, seq + index)
      } else if (sealedEnd === null && read.kind === 'missing') {
        return { outcome: 'complete', found: onlyClosed(replay.found) }
      } else {
        const what = read.kind === 'fence' ? 'a fence lies' : 'nothing is'
        return { outcome: 'start-over', why: `${what} at ${walKey(nodeId, seq + index)}` }
      }
    }
  }
  const found = sealedEnd === null ? onlyClosed(replay.found) : replay.found
  return { outcome: 'complete', found }
}

function onlyClosed(found: ReadonlyMap<string, FoundState>): Map<string, FoundState> {
  return new Map([...found].filter(([, { closed }]) => closed))
}
