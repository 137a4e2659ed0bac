import type { Random } from '../../base/random.ts'

/** What a session remembers of one partition. */
export interface SessionPartition {
  /** How the client names it, which stays the same whatever becomes of the topic. */
  readonly key: string
  /** Found by the name up to v12: a topic of that name may come, go, and come again. */
  topicId: string
  readonly topic: string
  readonly partition: number
  fetchOffset: number
  partitionBytesMax: number
  currentLeaderEpoch: number
  /** What the client was told last; -2 before anything was. */
  highWatermark: number
  logStartOffset: number
  lastError: number
}

export interface FetchSession {
  readonly id: number
  /** The epoch that the next request must have. */
  epoch: number
  /** In the order of the next answer: what had data goes to the end, so that all get their turn. */
  readonly partitions: Map<string, SessionPartition>
  lastUsedMs: number
}

/** A session unused for so long makes room for a new one (Kafka's MIN_INCREMENTAL_FETCH_EVICTION). */
const EVICTABLE_AFTER_MS = 120_000
const EPOCH_MAX = 0x7fffffff

/** Incremental fetch sessions (KIP-227). */
export class FetchSessions {
  private readonly sessions = new Map<number, FetchSession>()
  private readonly random: Random
  private readonly slots: number

  constructor(random: Random, slots: number) {
    this.random = random
    this.slots = slots
  }

  /** A new session, or null when all slots are in use: the client then sends full fetches. */
  create(partitions: Map<string, SessionPartition>, nowMs: number): FetchSession | null {
    if (this.sessions.size >= this.slots && !this.evict(nowMs)) return null
    let id: number
    do id = 1 + this.random.below(EPOCH_MAX - 1)
    while (this.sessions.has(id))
    const session: FetchSession = { id, epoch: 1, partitions, lastUsedMs: nowMs }
    this.sessions.set(id, session)
    return session
  }

  private evict(nowMs: number): boolean {
    let oldest: FetchSession | null = null
    for (const session of this.sessions.values()) {
      if (oldest === null || session.lastUsedMs < oldest.lastUsedMs) oldest = session
    }
    if (oldest === null || nowMs - oldest.lastUsedMs < EVICTABLE_AFTER_MS) return false
    this.sessions.delete(oldest.id)
    return true
  }

  /** The session that a request with `id` and `epoch` goes on, and moves it to the next epoch. */
  resume(
    id: number,
    epoch: number,
    nowMs: number,
  ): FetchSession | 'FETCH_SESSION_ID_NOT_FOUND' | 'INVALID_FETCH_SESSION_EPOCH' {
    const session = this.sessions.get(id)
    if (session === undefined) return 'FETCH_SESSION_ID_NOT_FOUND'
    if (session.epoch !== epoch) return 'INVALID_FETCH_SESSION_EPOCH'
    session.epoch = session.epoch === EPOCH_MAX ? 1 : session.epoch + 1
    session.lastUsedMs = nowMs
    return session
  }

  drop(id: number): void {
    this.sessions.delete(id)
  }

  get size(): number {
    return this.sessions.size
  }
}
