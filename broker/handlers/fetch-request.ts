import type { FetchRequest } from '../protocol/messages/fetch.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import { type Broker, findTopic, ZERO_UUID } from './context.ts'
import type { FetchSession, SessionPartition } from './fetch-sessions.ts'

/** A request that asks for everything it wants, and ends the session it names. */
const EPOCH_FINAL = -1
/** A request that asks for everything it wants and for a new session. */
const EPOCH_NEW = 0

/** What a fetch request asks for, once its session is taken into account (KIP-227). */
export interface FetchPlan {
  readonly error: ErrorName | null
  readonly partitions: Map<string, SessionPartition>
  readonly session: FetchSession | null
  /** An incremental answer names only partitions about which there is something new. */
  readonly incremental: boolean
}

interface NamedTopic {
  readonly topic?: string
  readonly topicId?: string
}

function isById({ topicId }: NamedTopic): boolean {
  return topicId !== undefined && topicId !== ZERO_UUID
}

function keyOf(named: NamedTopic, partition: number): string {
  return isById(named) ? `id ${named.topicId}/${partition}` : `name ${named.topic}/${partition}`
}

/** Adds the partitions that the request names, or brings them up to date. */
function merge(
  broker: Broker,
  body: FetchRequest,
  partitions: Map<string, SessionPartition>,
): void {
  for (const requested of body.topics) {
    const topic = findTopic(broker.node.image, {
      name: requested.topic,
      topicId: requested.topicId,
    })
    const topicId = topic?.topicId ?? requested.topicId ?? ZERO_UUID
    const name = topic?.name ?? requested.topic ?? ''
    for (const wanted of requested.partitions) {
      const key = keyOf(requested, wanted.partition)
      const known = partitions.get(key)
      if (known !== undefined) {
        known.fetchOffset = wanted.fetchOffset
        known.partitionBytesMax = wanted.partitionMaxBytes
        known.currentLeaderEpoch = wanted.currentLeaderEpoch
        continue
      }
      partitions.set(key, {
        key,
        topicId,
        topic: name,
        partition: wanted.partition,
        fetchOffset: wanted.fetchOffset,
        partitionBytesMax: wanted.partitionMaxBytes,
        currentLeaderEpoch: wanted.currentLeaderEpoch,
        highWatermark: -2,
        logStartOffset: -2,
        lastError: 0,
      })
    }
  }
}

function forget(body: FetchRequest, partitions: Map<string, SessionPartition>): void {
  for (const forgotten of body.forgottenTopicsData) {
    for (const partition of forgotten.partitions) partitions.delete(keyOf(forgotten, partition))
  }
}

/** A client that goes by names is not told that there is another topic of the same name now. */
function findAgain(broker: Broker, partitions: Map<string, SessionPartition>): void {
  const { image } = broker.node
  for (const known of partitions.values()) {
    if (image.topics.has(known.topicId) || !known.key.startsWith('name ')) continue
    known.topicId = findTopic(image, { name: known.topic })?.topicId ?? ZERO_UUID
    known.highWatermark = -2
  }
}

/** Works out what to fetch, and moves the session on. */
export function planFetch(broker: Broker, body: FetchRequest): FetchPlan {
  const { fetchSessions: sessions, clock } = broker
  const { sessionId, sessionEpoch } = body
  if (sessionEpoch === EPOCH_FINAL || sessionEpoch === EPOCH_NEW) {
    if (sessionId !== 0) sessions.drop(sessionId)
    const partitions = new Map<string, SessionPartition>()
    merge(broker, body, partitions)
    const wanted = sessionEpoch === EPOCH_NEW && partitions.size > 0
    const session = wanted ? sessions.create(partitions, clock.nowMs()) : null
    return { error: null, partitions, session, incremental: false }
  }
  const session = sessions.resume(sessionId, sessionEpoch, clock.nowMs())
  if (typeof session === 'string') {
    return { error: session, partitions: new Map(), session: null, incremental: false }
  }
  findAgain(broker, session.partitions)
  merge(broker, body, session.partitions)
  forget(body, session.partitions)
  return { error: null, partitions: session.partitions, session, incremental: true }
}
