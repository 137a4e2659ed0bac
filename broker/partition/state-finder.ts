import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Signal } from '../../base/signal.ts'
import type { Image } from '../../metadata/image.ts'
import type { Ownership, PastOwner } from '../../metadata/records.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import type { PartitionEpoch } from '../wal/log-object.ts'
import type { Hints } from './handoff.ts'
import { decodeHotState, emptyHotState, type HotState } from './hot-state.ts'
import { epochKey, type ScanResult, scanNode } from './node-scan.ts'

/**
 * How long a living owner's hint is waited for before its WAL is read instead: that costs hundreds of
 * requests, by every node that it gives partitions to, just where all of them are busy. An owner that
 * has died is sealed before, and then nothing is waited for.
 */
const HINT_WAIT_MS = 2_000
/** How soon an old owner that has not closed yet is looked at again. */
const LOOK_AGAIN_MS = 200
/** After a fault: the store is in trouble, or something must be repaired. */
const FAULT_WAIT_MS = 1_000
/** Reads of a sealed node's log before what is missing is called a fault. */
const SEALED_READS_MAX = 3

type Look =
  | { readonly outcome: 'found'; readonly state: HotState }
  | { readonly outcome: 'wait'; readonly waitMs: number }

/**
 * Finds the state that a new owner begins with, by the `from` list of the ownership map, newest
 * entry first (R1, R3; docs/protocol.md has all rules).
 */
export class StateFinder {
  private readonly options: {
    readonly nodeId: number
    readonly store: ObjectStore
    readonly clock: Clock
    readonly logger: Logger
    readonly image: () => Image
    readonly hints: Hints
    /** Notified when the image changes and when hints arrive. */
    readonly changed: Signal
    /** The state of an epoch that this node itself closed. */
    readonly ownClosed: (topicId: string, partition: number, leaderEpoch: number) => Buffer | null
  }
  private readonly scans = new Map<number, PendingScan>()

  constructor(options: StateFinder['options']) {
    this.options = options
  }

  /**
   * Resolves with the state for the epoch that begins with `ownership`, or with null once
   * `isWanted` says no. Tries for as long as it takes: a partition that cannot be opened safely
   * stays closed, and the log says why.
   */
  async find(
    topicId: string,
    partition: number,
    ownership: Ownership,
    isWanted: () => boolean,
  ): Promise<HotState | null> {
    const { clock, changed, logger } = this.options
    const startMs = clock.nowMs()
    for (;;) {
      if (!isWanted()) return null
      let waitMs = FAULT_WAIT_MS
      try {
        const look = await this.look(topicId, partition, ownership, clock.nowMs() - startMs)
        if (look.outcome === 'found') return look.state
        waitMs = look.waitMs
      } catch (error) {
        logger.error('a partition cannot be opened yet', { topicId, partition, ownership, error })
      }
      await changed.wait(clock, waitMs)
    }
  }

  private async look(
    topicId: string,
    partition: number,
    ownership: Ownership,
    waitedMs: number,
  ): Promise<Look> {
    const { nodeId, hints } = this.options
    for (const past of ownership.from) {
      const epoch = { topicId, partition, leaderEpoch: past.leaderEpoch }
      if (past.nodeId === nodeId) {
        // Our own epoch: we have its close, or we never opened it and never will (the map has
        // moved on), so that an older one counts.
        const own = this.options.ownClosed(topicId, partition, past.leaderEpoch)
        if (own !== null) return { outcome: 'found', state: decodeHotState(own) }
        continue
      }
      const hint = hints.take(past.nodeId, epoch)
      if (hint !== null) return { outcome: 'found', state: decodeHotState(hint) }
      const node = this.options.image().nodes.get(past.nodeId)
      if (node === undefined) {
        throw new Error(`node ${past.nodeId} holds the state, but the cluster has forgotten it`)
      }
      if (node.state !== 'sealed' && waitedMs < HINT_WAIT_MS) {
        return { outcome: 'wait', waitMs: HINT_WAIT_MS - waitedMs }
      }
      const isSealed = node.state === 'sealed'
      const state = isSealed
        ? await this.scan(past, node.sealedEnd, epoch)
        : await this.scanOrHint(past, epoch)
      if (state !== null) return { outcome: 'found', state }
      // R1: an older entry counts only once the newer node is sealed and its whole WAL was read.
      if (!isSealed) return { outcome: 'wait', waitMs: LOOK_AGAIN_MS }
    }
    const oldestEpoch = ownership.from[ownership.from.length - 1]?.leaderEpoch
    if ((oldestEpoch ?? ownership.leaderEpoch) === 0) {
      return { outcome: 'found', state: emptyHotState() }
    }
    throw new Error(
      `no past owner's log holds the partition, and the list of past owners ends at epoch ` +
        `${oldestEpoch ?? 'none'}: refusing to open it empty`,
    )
  }

  /**
   * What a living node closed the epoch with, by its log, or by its hint if that comes first. Null:
   * it has not closed yet, or is sealed by now.
   */
  private async scanOrHint(past: PastOwner, epoch: PartitionEpoch): Promise<HotState | null> {
    const { hints, image, changed, clock } = this.options
    let isRead = false
    const scanned = this.scan(past, null, epoch).finally(() => {
      isRead = true
    })
    const over = scanned.then(
      () => {},
      () => {},
    )
    while (!isRead && image().nodes.get(past.nodeId)?.state !== 'sealed') {
      await Promise.race([over, changed.wait(clock, LOOK_AGAIN_MS)])
      const hint = hints.take(past.nodeId, epoch)
      if (hint !== null) return decodeHotState(hint)
    }
    return isRead ? scanned : null
  }

  /** Looks for one epoch in one node's log; wishes that come together are read together. */
  private scan(
    past: PastOwner,
    sealedEnd: number | null,
    epoch: PartitionEpoch,
  ): Promise<HotState | null> {
    const id = epochKey(epoch.topicId, epoch.partition, epoch.leaderEpoch)
    let pending = this.scans.get(past.nodeId)
    if (pending === undefined || pending.sealedEnd !== sealedEnd) {
      pending = new PendingScan(sealedEnd)
      this.scans.set(past.nodeId, pending)
      const started = pending
      this.options.clock.after(0, () => {
        if (this.scans.get(past.nodeId) === started) this.scans.delete(past.nodeId)
        void started.run(this.options, past.nodeId)
      })
    }
    return pending.wish(id)
  }
}

class PendingScan {
  readonly sealedEnd: number | null
  private readonly wishes = new Map<
    string,
    { resolve: (state: HotState | null) => void; reject: (error: unknown) => void }[]
  >()

  constructor(sealedEnd: number | null) {
    this.sealedEnd = sealedEnd
  }

  wish(id: string): Promise<HotState | null> {
    return new Promise((resolve, reject) => {
      const waiters = this.wishes.get(id) ?? []
      waiters.push({ resolve, reject })
      this.wishes.set(id, waiters)
    })
  }

  async run(
    { store, clock }: { readonly store: ObjectStore; readonly clock: Clock },
    nodeId: number,
  ): Promise<void> {
    try {
      const result = await this.read(store, nodeId, clock.wallMs())
      // A living node whose log is being ended: the image is about to say so, and where.
      const isStale = result.outcome === 'start-over'
      if (isStale && this.sealedEnd !== null) throw new Error(`reading again: ${result.why}`)
      for (const [id, waiters] of this.wishes) {
        const state = isStale ? null : (result.found.get(id)?.state ?? null)
        for (const { resolve } of waiters) resolve(state)
      }
    } catch (error) {
      for (const waiters of this.wishes.values()) {
        for (const { reject } of waiters) reject(error)
      }
    }
  }

  private async read(store: ObjectStore, nodeId: number, nowMs: number): Promise<ScanResult> {
    const { sealedEnd } = this
    const wishes = new Set(this.wishes.keys())
    for (let reads = 1; ; reads++) {
      const result = await scanNode(store, { nodeId, sealedEnd, wishes, nowMs })
      if (result.outcome === 'complete' || sealedEnd === null) return result
      // It may have replaced the checkpoint that was to be read: there is a newer one (R3).
      if (reads >= SEALED_READS_MAX) return result
    }
  }
}
