import { BufferPool, type SharedBytes } from '../../../base/buffer-pool.ts'
import { seededRandom } from '../../../base/random.ts'
import { type VirtualClock, virtualClock } from '../../../base/testing/virtual-clock.ts'
import { memoryStore } from '../../../object-store/memory.ts'
import type { ObjectStore } from '../../../object-store/store.ts'
import { buildBatch } from '../../protocol/build-batch.ts'
import { type WalSettings, WalWriter } from '../../wal/writer.ts'
import { emptyHotState, type HotState } from '../hot-state.ts'
import type { AppendBatch, AppendResult, AppendWaiter, PartitionHost } from '../partition.ts'
import { Partition } from '../partition.ts'
import { TailCache } from '../tail-cache.ts'

export const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAg'
const GARBAGE = 0xdb

/** A pool that writes over what nobody owns any more, so that whoever still reads it shows. */
export class GarbagePool extends BufferPool {
  constructor() {
    super(1024 * 1024)
  }

  override give(shared: SharedBytes): void {
    shared.buffer.fill(GARBAGE)
    super.give(shared)
  }
}

/** What one append was told, and how often. */
export class Told implements AppendWaiter {
  readonly results: AppendResult[] = []

  appended(_index: number, result: AppendResult): void {
    this.results.push(result)
  }

  /** `pending`, the offset that was acknowledged, or the error. */
  get outcome(): 'pending' | number | string {
    if (this.results.length > 1) throw new Error('an append was told twice')
    const result = this.results[0]
    return result === undefined ? 'pending' : (result.error ?? result.baseOffset)
  }
}

/** A batch of `count` records that says it is of that producer. */
export interface Produced {
  readonly value: string
  readonly count?: number
  readonly timestampMs?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

/** The batch, in a frame of its own that the caller releases. */
export function batchOf(
  pool: BufferPool,
  produced: Produced,
): { batch: AppendBatch; frame: SharedBytes } {
  const { value, count = 1, timestampMs = 1_000 } = produced
  const { producerId = -1, producerEpoch = -1, baseSequence = -1 } = produced
  const records = Array.from({ length: count }, () => {
    return { key: null, value: Buffer.from(value), timestamp: timestampMs }
  })
  const bytes = buildBatch(records, { producerId, producerEpoch, baseSequence })
  const frame = pool.take(bytes.length + 10)
  bytes.copy(frame.buffer, 10)
  const batch = {
    bytes: frame.buffer.subarray(10),
    frame,
    recordCount: count,
    maxTimestampMs: timestampMs,
    attributes: 0,
    producerId,
    producerEpoch,
    baseSequence,
  }
  return { batch, frame }
}

/** Partitions of one node on a real WAL, in a store in memory and in virtual time. */
export class PartitionWorld implements PartitionHost {
  readonly nodeId: number
  readonly clock: VirtualClock
  readonly store: ObjectStore
  readonly pool = new GarbagePool()
  readonly wal: WalWriter
  readonly tailCache: TailCache
  readonly openedEpochs: number[] = []
  readonly closedStates: { leaderEpoch: number; state: Buffer }[] = []

  constructor(
    options: {
      nodeId?: number
      clock?: VirtualClock
      store?: ObjectStore
      tailCacheBytes?: number
      wal?: Partial<WalSettings>
    } = {},
  ) {
    this.nodeId = options.nodeId ?? 1
    this.clock = options.clock ?? virtualClock()
    this.store = options.store ?? memoryStore()
    this.tailCache = new TailCache(options.tailCacheBytes ?? 1024 * 1024)
    this.wal = new WalWriter({
      nodeId: this.nodeId,
      store: this.store,
      clock: this.clock,
      random: seededRandom(this.nodeId),
      settings: {
        lingerMsMin: 0,
        lingerMsMax: 20,
        objectBytesTarget: 2_000,
        putsInFlightMax: 4,
        ...options.wal,
      },
      observer: { objectDurable() {} },
      onFenced() {},
      onFault(error) {
        throw error
      },
    })
  }

  wallMs(): number {
    return this.clock.wallMs()
  }

  opened(partition: Partition): void {
    this.openedEpochs.push(partition.leaderEpoch)
  }

  closed(partition: Partition, state: Buffer): void {
    this.closedStates.push({ leaderEpoch: partition.leaderEpoch, state })
  }

  /** A partition that is opening; `keepsTail`: its new data stays in memory. */
  partition(leaderEpoch = 0, keepsTail = false): Partition {
    const partition = new Partition({ topicId: TOPIC, partition: 0, leaderEpoch }, this)
    partition.keepsTail = () => keepsTail
    return partition
  }

  opening(state: HotState = emptyHotState(), leaderEpoch = 0, keepsTail = false): Partition {
    const partition = this.partition(leaderEpoch, keepsTail)
    partition.open(state)
    return partition
  }

  /** Appends as a produce handler does: in a frame that the request releases when answered. */
  append(partition: Partition, produced: Produced): Told {
    const told = new Told()
    const { batch, frame } = batchOf(this.pool, produced)
    partition.append(batch, told, 0)
    frame.release()
    return told
  }

  /** Everything enqueued becomes durable. */
  async settle(): Promise<void> {
    await this.clock.run(this.wal.whenIdle())
  }
}
