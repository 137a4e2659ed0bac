import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { checkpointKey, checkpointPrefix, seqOfKey } from '../../metadata/keys.ts'
import { type ImageState, ownershipOf } from '../../metadata/image.ts'
import type { MetadataLog } from '../../metadata/log.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import { OWNERSHIPS_PER_BATCH_MAX } from '../../controller/takeover.ts'
import { createDecided } from '../../object-store/create.ts'
import { bodyBytes, type ObjectStore } from '../../object-store/store.ts'
import { type CheckpointEntry, encodeCheckpoint } from '../wal/checkpoint.ts'
import type { WalWriter } from '../wal/writer.ts'
import { encodeHotState } from './hot-state.ts'
import type { PartitionManager } from './partition-manager.ts'

/** Open entries gather this long, so that a move of many partitions makes one checkpoint. */
const GATHER_MS = 100
/** A taker reads at most about this many log objects after the newest checkpoint, which costs four requests. */
export const CHECKPOINT_OBJECTS_MAX = 50
/** A checkpoint that failed is tried again after this long. */
const FAULT_WAIT_MS = 1_000

/** What a checkpoint says of one open partition, to clear its `from` afterwards. */
interface Covered {
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly nodeIds: ReadonlySet<number>
}

/**
 * Writes checkpoints: at once after partitions were taken over, since only then may they move
 * again; and after so many log objects that reading them would take a taker long. What a
 * checkpoint costs must stay below what the log cost since the last one, hence the byte rule.
 */
export class Checkpointer {
  private readonly options: {
    readonly nodeId: number
    readonly store: ObjectStore
    readonly clock: Clock
    readonly random: Random
    readonly logger: Logger
    readonly log: MetadataLog
    readonly wal: WalWriter
    readonly manager: PartitionManager
    readonly producerExpiryMs: number
    /** See {@link CHECKPOINT_OBJECTS_MAX}. */
    readonly objectsBetweenMax: number
  }
  private lastSeq = -1
  private lastBytes = 0
  private bytesSince = 0
  private running: Promise<void> | null = null
  private wanted = false
  private timer: Timer | null = null
  private readonly abort = new AbortController()

  constructor(options: Checkpointer['options']) {
    this.options = options
  }

  /** A log object became durable; `bytes` is what recovery would have to read of it, about. */
  objectDurable(bytes: number): void {
    this.bytesSince += bytes
    const objects = this.options.wal.durableEnd - 1 - this.lastSeq
    const isDue = objects >= this.options.objectsBetweenMax
    if (isDue && this.bytesSince >= this.lastBytes) this.request()
  }

  /** Asks for a checkpoint soon. */
  request(): void {
    this.wanted = true
    if (this.running === null && !this.abort.signal.aborted) {
      this.timer ??= this.options.clock.after(GATHER_MS, () => this.begin())
    }
  }

  /** Writes one now and resolves once it is durable and `from` is cleared; for shutdown. */
  async flush(): Promise<void> {
    while (this.running !== null) await this.running
    const writing = this.write()
    const done = (): void => this.ended()
    this.running = writing.then(done, done)
    await writing
  }

  private begin(): void {
    this.timer = null
    this.wanted = true
    // One at a time: two of the same seq would take each other for a stranger.
    if (this.running !== null) return
    this.wanted = false
    this.running = this.write()
      .catch((error: unknown) => {
        if (this.abort.signal.aborted) return
        this.options.logger.warn('a checkpoint was not written; it is tried again', { error })
        this.wanted = true
        return new Promise<void>((resolve) => {
          this.options.clock.after(FAULT_WAIT_MS, resolve)
        })
      })
      .then(() => this.ended())
  }

  private ended(): void {
    this.running = null
    if (this.wanted) this.request()
  }

  private async write(): Promise<void> {
    const { nodeId, store, clock, random, wal } = this.options
    // One synchronous step: what is durable as of this seq, no more and no less (R4).
    const seq = wal.durableEnd - 1
    if (seq < 0) return
    const { entries, covered } = this.collect()
    if (seq !== this.lastSeq) {
      const bytesBefore = this.bytesSince
      const body = encodeCheckpoint({ nodeId, seq, nonce: random.bytes(16) }, entries)
      const { signal } = this.abort
      const result = await createDecided(store, checkpointKey(nodeId, seq), body, {
        clock,
        random,
        signal,
      })
      // An earlier try that failed may have landed all the same: it says the same.
      const isOwn = result.outcome === 'written' || result.winner.nodeId === nodeId
      assert(isOwn, `checkpoint ${seq} of node ${nodeId} is somebody else's`)
      this.lastSeq = seq
      this.lastBytes = bodyBytes(body)
      this.bytesSince -= bytesBefore
    }
    await this.clearFrom(covered)
    await this.deleteOlder(seq)
  }

  private collect(): { entries: CheckpointEntry[]; covered: Covered[] } {
    const { manager, clock, producerExpiryMs } = this.options
    const entries: CheckpointEntry[] = []
    const covered: Covered[] = []
    for (const partition of manager.all()) {
      const { topicId, index, leaderEpoch, state } = partition
      if (state === null || !partition.openDurable) continue
      state.producers.expire(clock.wallMs() - producerExpiryMs, state.endOffset)
      const address = { topicId, partition: index, leaderEpoch }
      entries.push({ ...address, closed: false, state: encodeHotState(state) })
      covered.push({ ...address, nodeIds: state.runs.nodeIds() })
    }
    for (const epoch of manager.closedEpochs()) entries.push({ ...epoch, closed: true })
    return { entries, covered }
  }

  /** Only after the checkpoint is durable, and for the epochs it holds open (R1, R5, key-order). */
  private async clearFrom(covered: readonly Covered[]): Promise<void> {
    const { log, nodeId } = this.options
    const propose = (image: ImageState): MetadataRecord[] => {
      const records: MetadataRecord[] = []
      for (const { topicId, partition, leaderEpoch, nodeIds } of covered) {
        const ownership = ownershipOf(image, topicId, partition)
        if (ownership?.nodeId !== nodeId || ownership.leaderEpoch !== leaderEpoch) continue
        const refs = ownership.refs.filter((id) => nodeIds.has(id) && id !== nodeId)
        if (ownership.from.length === 0 && refs.length === ownership.refs.length) continue
        // All partitions of a very large node at once are more than a batch holds.
        if (records.length === OWNERSHIPS_PER_BATCH_MAX) break
        records.push({
          type: 'ownership',
          topicId,
          partition,
          nodeId,
          leaderEpoch,
          from: [],
          refs,
        })
      }
      return records
    }
    // Mostly there is nothing to do, and then no proposal is worth a queue.
    while (propose(log.image).length > 0) await log.append(propose)
  }

  /**
   * R6: only after reading the head and finding this node unsealed. Keeps the one before, too.
   * For now the rule is about checkpoints: WAL objects are not trimmed (decision 3).
   */
  private async deleteOlder(seq: number): Promise<void> {
    const { store, log, nodeId } = this.options
    const older = await store.list({ prefix: checkpointPrefix(nodeId), limit: 100 })
    const keys = older.map(({ key }) => key).filter((key) => seqOfKey(key) < seq)
    if (keys.length < 2) return
    await log.catchUp()
    if (log.image.nodes.get(nodeId)?.state === 'sealed') return
    await store.delete(keys.slice(0, -1))
  }

  stop(): void {
    this.abort.abort()
    this.timer?.cancel()
  }
}
