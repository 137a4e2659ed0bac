import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import { Signal } from '../../base/signal.ts'
import type { Touched } from '../../metadata/draft.ts'
import { type Image, ownershipOf } from '../../metadata/image.ts'
import type { Ownership } from '../../metadata/records.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import type { WalWriter } from '../wal/writer.ts'
import { type ClosedEpoch, Hints } from './handoff.ts'
import { emptyHotState, type HotState } from './hot-state.ts'
import { Partition, type PartitionHost } from './partition.ts'
import { StateFinder } from './state-finder.ts'
import type { TailCache } from './tail-cache.ts'

/** New data stays in memory for readers that were there this lately. */
const TAIL_READER_MS = 30_000

export interface PartitionManagerOptions {
  readonly nodeId: number
  readonly wal: WalWriter
  readonly store: ObjectStore
  readonly clock: Clock
  readonly logger: Logger
  readonly tailCache: TailCache
  readonly image: () => Image
  /** Sends what was closed to the next owner: a hint, which may be lost. */
  readonly sendHandoff: (nodeId: number, epochs: readonly ClosedEpoch[]) => void
  /** A partition that took over from somebody is open and durable: a checkpoint is due (R1). */
  readonly onTakenOver: () => void
}

interface ClosedState {
  readonly leaderEpoch: number
  readonly state: Buffer
}

function idOf(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}

/**
 * Makes this node's partitions what the ownership map says: opens what it owns, closes what it no
 * longer owns. Level-triggered: `reconcile` compares map and reality, whatever happened between.
 */
export class PartitionManager implements PartitionHost {
  readonly nodeId: number
  readonly wal: WalWriter
  readonly tailCache: TailCache
  readonly hints = new Hints()
  /** Notified when the image changes and when hints arrive. */
  readonly changed = new Signal()
  movedIn = 0
  movedOut = 0

  private readonly options: PartitionManagerOptions
  private readonly partitions = new Map<string, Partition>()
  /** What this node closed, for as long as the map lists it in `from` (R4). */
  private readonly closedStates = new Map<string, ClosedState>()
  private readonly finder: StateFinder
  private outgoing = new Map<number, ClosedEpoch[]>()
  private readonly openListeners: ((partition: Partition) => void)[] = []
  private frozen = false
  private stopped = false

  constructor(options: PartitionManagerOptions) {
    this.options = options
    this.nodeId = options.nodeId
    this.wal = options.wal
    this.tailCache = options.tailCache
    this.finder = new StateFinder({
      ...options,
      hints: this.hints,
      changed: this.changed,
      ownClosed: (topicId, partition, leaderEpoch) => {
        const closed = this.closedStates.get(idOf(topicId, partition))
        return closed?.leaderEpoch === leaderEpoch ? closed.state : null
      },
    })
  }

  /** Calls `listener` with every partition that is open here, now and later, once each. */
  onOpen(listener: (partition: Partition) => void): void {
    this.openListeners.push(listener)
    for (const partition of this.partitions.values()) {
      if (partition.phase === 'open') listener(partition)
    }
  }

  /** Opens a partition that is to be served, and tells those who wait for such. */
  private begin(partition: Partition, state: HotState): void {
    partition.open(state)
    for (const listener of this.openListeners) listener(partition)
  }

  get size(): number {
    return this.partitions.size
  }

  wallMs(): number {
    return this.options.clock.wallMs()
  }

  get(topicId: string, partition: number): Partition | undefined {
    return this.partitions.get(idOf(topicId, partition))
  }

  all(): Iterable<Partition> {
    return this.partitions.values()
  }

  /** Closed states that must be in every checkpoint (R4). */
  *closedEpochs(): Iterable<ClosedEpoch> {
    for (const [id, { leaderEpoch, state }] of this.closedStates) {
      const slash = id.lastIndexOf('/')
      const topicId = id.slice(0, slash)
      yield { topicId, partition: Number(id.slice(slash + 1)), leaderEpoch, state }
    }
  }

  /** Takes note of a change of the image. `touched` 'all': anything may have changed. */
  imageChanged(touched: Touched | 'all'): void {
    if (this.stopped) return
    if (touched === 'all') this.reconcileAll()
    else {
      for (const topicId of touched.topics) {
        if (!this.options.image().topics.has(topicId)) this.dropTopic(topicId)
      }
      for (const [topicId, partitions] of touched.partitions) {
        for (const partition of partitions) this.reconcile(topicId, partition)
      }
    }
    this.changed.notify()
  }

  private reconcileAll(): void {
    const image = this.options.image()
    for (const { topicId } of [...this.partitions.values()]) {
      if (!image.topics.has(topicId)) this.dropTopic(topicId)
    }
    for (const topic of image.topics.values()) {
      for (let partition = 0; partition < topic.partitions.length; partition++) {
        this.reconcile(topic.topicId, partition)
      }
    }
  }

  /** A topic is gone with its data: nothing is closed, nothing is handed over. */
  private dropTopic(topicId: string): void {
    for (const partition of [...this.partitions.values()]) {
      if (partition.topicId === topicId) this.remove(partition, true)
    }
    for (const { topicId: closedTopic, partition } of [...this.closedEpochs()]) {
      if (closedTopic === topicId) this.closedStates.delete(idOf(topicId, partition))
    }
  }

  private remove(partition: Partition, abandon: boolean): void {
    this.partitions.delete(idOf(partition.topicId, partition.index))
    if (abandon) partition.abandon()
  }

  private reconcile(topicId: string, index: number): void {
    const ownership = ownershipOf(this.options.image(), topicId, index)
    if (ownership === undefined || this.stopped || this.frozen) return
    const id = idOf(topicId, index)
    this.forgetClosed(id, ownership)
    const local = this.partitions.get(id)
    const mine = ownership.nodeId === this.nodeId
    if (local !== undefined) {
      if (mine && local.leaderEpoch === ownership.leaderEpoch) return
      assert(local.leaderEpoch < ownership.leaderEpoch, 'the ownership map never goes back')
      // What has no state yet has nothing in the WAL either: there is nothing to close.
      if (local.phase === 'opening') this.remove(local, true)
      else local.beginClose()
      if (this.partitions.has(id)) return
    }
    if (mine) this.openPartition(topicId, index, ownership)
    else if (this.owesFirstClose(id, ownership)) this.closeUnopened(topicId, index)
  }

  private forgetClosed(id: string, ownership: Ownership): void {
    const closed = this.closedStates.get(id)
    if (closed === undefined) return
    const listed = ownership.from.some(
      (past) => past.nodeId === this.nodeId && past.leaderEpoch === closed.leaderEpoch,
    )
    if (!listed) this.closedStates.delete(id)
  }

  /**
   * A new partition was given to this node and moved on before the node heard of it, perhaps more
   * than once. Whoever comes to this node's entry of `from` waits for a close of epoch 0.
   */
  private owesFirstClose(id: string, ownership: Ownership): boolean {
    const isListed = ownership.from.some(
      ({ nodeId, leaderEpoch }) => nodeId === this.nodeId && leaderEpoch === 0,
    )
    return isListed && !this.closedStates.has(id)
  }

  private closeUnopened(topicId: string, index: number): void {
    const partition = this.create(topicId, index, 0)
    partition.open(emptyHotState())
    partition.beginClose()
  }

  private create(topicId: string, index: number, leaderEpoch: number): Partition {
    const partition = new Partition({ topicId, partition: index, leaderEpoch }, this)
    partition.keepsTail = () => this.options.clock.nowMs() - partition.tailReadAtMs < TAIL_READER_MS
    this.partitions.set(idOf(topicId, index), partition)
    return partition
  }

  private openPartition(topicId: string, index: number, ownership: Ownership): void {
    const partition = this.create(topicId, index, ownership.leaderEpoch)
    if (ownership.leaderEpoch === 0) {
      this.begin(partition, emptyHotState())
      return
    }
    const isWanted = (): boolean => !this.stopped && !this.frozen && partition.phase === 'opening'
    void this.finder.find(topicId, index, ownership, isWanted).then((state) => {
      if (state === null || !isWanted()) return
      this.movedIn++
      this.begin(partition, state)
    })
  }

  opened(partition: Partition): void {
    const ownership = ownershipOf(this.options.image(), partition.topicId, partition.index)
    if (ownership !== undefined && ownership.from.length > 0) this.options.onTakenOver()
  }

  closed(partition: Partition, state: Buffer): void {
    const { topicId, index, leaderEpoch } = partition
    this.movedOut++
    this.remove(partition, false)
    const ownership = ownershipOf(this.options.image(), topicId, index)
    if (ownership === undefined) return
    this.closedStates.set(idOf(topicId, index), { leaderEpoch, state })
    if (ownership.nodeId !== this.nodeId) {
      this.queueHandoff(ownership.nodeId, { topicId, partition: index, leaderEpoch, state })
    }
    this.reconcile(topicId, index)
  }

  /** Closes that become durable together travel together. */
  private queueHandoff(nodeId: number, epoch: ClosedEpoch): void {
    if (this.outgoing.size === 0) this.options.clock.after(0, () => this.sendHandoffs())
    const epochs = this.outgoing.get(nodeId)
    if (epochs === undefined) this.outgoing.set(nodeId, [epoch])
    else epochs.push(epoch)
  }

  private sendHandoffs(): void {
    const { outgoing } = this
    this.outgoing = new Map()
    if (this.stopped) return
    for (const [nodeId, epochs] of outgoing) this.options.sendHandoff(nodeId, epochs)
  }

  /** A hint from a node that closed something for us. */
  receiveHandoff(nodeId: number, epochs: readonly ClosedEpoch[]): void {
    this.hints.add(nodeId, epochs)
    this.changed.notify()
  }

  /** Accepts nothing any more and opens nothing more, so that the WAL comes to rest for good. */
  freeze(): void {
    this.frozen = true
    for (const partition of this.partitions.values()) partition.freeze()
  }

  stop(): void {
    this.stopped = true
    for (const partition of [...this.partitions.values()]) this.remove(partition, true)
    this.changed.notify()
  }
}
