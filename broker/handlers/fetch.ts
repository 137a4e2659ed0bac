import type { SharedBytes } from '../../base/buffer-pool.ts'
import type { Timer } from '../../base/clock.ts'
import type { Partition } from '../partition/partition.ts'
import { readTail } from '../partition/tail-reader.ts'
import { type ErrorName, errorCode } from '../protocol/error-codes.ts'
import type { FetchRequest } from '../protocol/messages/fetch.ts'
import type { Request } from '../request.ts'
import {
  type Broker,
  codeOf,
  endpointOf,
  type Handler,
  type NodeEndpoint,
  ZERO_UUID,
} from './context.ts'
import { redirectsOf, tellMoved, type Told } from './fetch-redirects.ts'
import { type FetchPlan, planFetch } from './fetch-request.ts'
import type { SessionPartition } from './fetch-sessions.ts'
import { leadershipOf, whenSettled } from './leadership.ts'

/** A consumer that is sent elsewhere is not to spin here until its metadata says so too. */
const REDIRECT_WAIT_MS = 50
const PREFERS_REPLICAS_SINCE = 11

/**
 * Fetch: v4-18.
 *
 * Differs from Kafka: the owner is the only replica, so nobody fetches as a follower, and the only
 * replica ever preferred is the owner, to consumers that ask a former one again (fetch-redirects.ts).
 * There are no transactions yet: the last stable offset is the high watermark.
 *
 * v7: KIP-227 sessions. v11: KIP-392: a consumer's rack, which changes nothing where there is one
 * replica. v12: leader epochs checked. v13: topic ids. v16: KIP-951 endpoints.
 */
export const handleFetch: Handler = (broker, request) => {
  const body = request.body as FetchRequest
  const plan = planFetch(broker, body)
  if (plan.error !== null) {
    request.respond({ errorCode: codeOf(plan.error), responses: [], nodeEndpoints: [] })
    return
  }
  const task = new FetchTask(broker, request, body, plan)
  whenSettled(broker, task.addresses(), () => task.run())
}

/** What one look at a partition gave. */
interface Look {
  readonly wanted: SessionPartition
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly currentLeader: { leaderId: number; leaderEpoch: number } | null
  /** The node to read from instead of this one; -1 for none. */
  readonly preferredReplica: number
  pieces: readonly Buffer[]
}

/** One fetch request on its way: looks, waits for more if there is too little, answers. */
class FetchTask {
  private readonly broker: Broker
  private readonly request: Request
  private readonly body: FetchRequest
  private readonly plan: FetchPlan
  private readonly startMs: number
  private endMs: number
  private looks: Look[] = []
  private frames: SharedBytes[] = []
  private bytes = 0
  private hasError = false
  private cold: Promise<void>[] = []
  private timer: Timer | null = null
  private watched: Partition[] = []
  /**
   * Whether the metadata log's head was read since: offsets out of range are only told then, since
   * an owner of yesterday has a short log, and consumers that are told so begin somewhere else
   * (short-logs).
   */
  private head: 'not read' | 'read' | 'unreadable' = 'not read'

  constructor(broker: Broker, request: Request, body: FetchRequest, plan: FetchPlan) {
    this.broker = broker
    this.request = request
    this.body = body
    this.plan = plan
    this.startMs = broker.clock.nowMs()
    this.endMs = this.startMs + body.maxWaitMs
  }

  addresses(): { topicId: string; index: number }[] {
    const addresses: { topicId: string; index: number }[] = []
    for (const { topicId, partition } of this.plan.partitions.values()) {
      if (topicId !== ZERO_UUID) addresses.push({ topicId, index: partition })
    }
    return addresses
  }

  /** Looks at everything; then answers, or waits for news. */
  readonly run = (): void => {
    this.unwatch()
    this.reset()
    let outOfRange = false
    for (const wanted of this.plan.partitions.values()) {
      const look = this.look(wanted)
      if (look.errorCode === errorCode.OFFSET_OUT_OF_RANGE) outOfRange = true
      this.looks.push(look)
    }
    if (outOfRange && this.head === 'not read') {
      void this.readHead().then(this.run)
      return
    }
    if (this.cold.length > 0) {
      void Promise.all(this.cold).then(() => this.respond())
      return
    }
    const { clock } = this.broker
    const remainingMs = this.endMs - clock.nowMs()
    const isEnough = this.bytes >= this.body.minBytes || this.hasError
    const gone = this.request.connection.isClosed
    if (isEnough || remainingMs <= 0 || this.plan.partitions.size === 0 || gone) this.respond()
    else this.wait(remainingMs)
  }

  private readHead(): Promise<void> {
    return this.broker.node.log.catchUp().then(
      () => {
        this.head = 'read'
      },
      () => {
        this.head = 'unreadable'
      },
    )
  }

  private reset(): void {
    for (const frame of this.frames) frame.release()
    this.looks = []
    this.frames = []
    this.bytes = 0
    this.hasError = false
    this.cold = []
  }

  private wait(remainingMs: number): void {
    const { node, clock } = this.broker
    this.request.onConnectionClosed = this.wakeIfWaiting
    for (const { topicId, partition: index } of this.plan.partitions.values()) {
      const partition = node.partitions.get(topicId, index)
      if (partition === undefined) continue
      partition.watch(this.wake)
      this.watched.push(partition)
    }
    this.timer = clock.after(remainingMs, this.run)
  }

  /** Several partitions may become durable in one step; one look for all of them is enough. */
  private readonly wake = (): void => {
    if (this.watched.length === 0) return
    this.unwatch()
    queueMicrotask(this.run)
  }

  /** Nobody is there to be answered: a client may come back often, and ask to wait for days. */
  private readonly wakeIfWaiting = (): void => {
    if (this.timer === null) return
    this.unwatch()
    queueMicrotask(this.run)
  }

  private unwatch(): void {
    this.timer?.cancel()
    this.timer = null
    for (const partition of this.watched) partition.unwatch(this.wake)
    this.watched = []
  }

  private failed(wanted: SessionPartition, error: ErrorName): Look {
    this.hasError = true
    return {
      wanted,
      errorCode: codeOf(error),
      highWatermark: -1,
      logStartOffset: -1,
      currentLeader: null,
      preferredReplica: -1,
      pieces: [],
    }
  }

  private look(wanted: SessionPartition): Look {
    const { broker } = this
    const { topicId, partition: index } = wanted
    const byId = this.request.version >= 13
    if (topicId === ZERO_UUID) return this.failed(wanted, 'UNKNOWN_TOPIC_OR_PARTITION')
    const leadership = leadershipOf(broker, topicId, index)
    if (leadership.kind === 'unknown') {
      const known = broker.node.image.topics.has(topicId)
      return this.failed(wanted, byId && !known ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION')
    }
    if (leadership.kind !== 'here') return this.notLeader(wanted, leadership.kind === 'elsewhere')
    const { partition } = leadership
    if (wanted.currentLeaderEpoch >= 0 && wanted.currentLeaderEpoch !== partition.leaderEpoch) {
      const isOld = wanted.currentLeaderEpoch < partition.leaderEpoch
      return this.failed(wanted, isOld ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH')
    }
    return this.read(wanted, partition)
  }

  private notLeader(wanted: SessionPartition, isCertain: boolean): Look {
    const { image } = this.broker.node
    const ownership = image.topics.get(wanted.topicId)?.partitions[wanted.partition]
    if (ownership === undefined) return this.failed(wanted, 'NOT_LEADER_OR_FOLLOWER')
    const { nodeId: leaderId, leaderEpoch } = ownership
    const isElsewhere = leaderId !== this.broker.node.nodeId
    if (isElsewhere && this.howToTell(wanted, isCertain) === 'redirect') {
      return this.redirected(wanted, leaderId)
    }
    const look = this.failed(wanted, 'NOT_LEADER_OR_FOLLOWER')
    return { ...look, currentLeader: { leaderId, leaderEpoch } }
  }

  private howToTell({ topicId, partition }: SessionPartition, isCertain: boolean): Told {
    const { connection, version } = this.request
    const redirects = version < PREFERS_REPLICAS_SINCE ? undefined : redirectsOf(connection)
    if (redirects === undefined) return 'error'
    const nowMs = this.broker.clock.nowMs()
    if (isCertain) return redirects.asked(topicId, partition, nowMs)
    // The image may name yesterday's owner: nobody is deaf for not going there.
    return redirects.isDeaf(nowMs) ? 'redirect' : 'error'
  }

  private redirected(wanted: SessionPartition, preferredReplica: number): Look {
    this.endMs = Math.min(this.endMs, this.startMs + REDIRECT_WAIT_MS)
    const unknown = { highWatermark: -1, logStartOffset: -1, currentLeader: null }
    return { wanted, errorCode: 0, ...unknown, preferredReplica, pieces: [] }
  }

  private read(wanted: SessionPartition, partition: Partition): Look {
    const { fetchOffset } = wanted
    const { highWatermark, logStartOffset } = partition
    if (fetchOffset < logStartOffset || fetchOffset > highWatermark) {
      if (this.head === 'unreadable') return this.notLeader(wanted, false)
      return this.failed(wanted, 'OFFSET_OUT_OF_RANGE')
    }
    const look: Look = {
      wanted,
      errorCode: 0,
      highWatermark,
      logStartOffset,
      currentLeader: null,
      preferredReplica: -1,
      pieces: [],
    }
    const responseBytesMax = Math.min(
      this.body.maxBytes,
      this.broker.config.number('fetch.max.bytes'),
    )
    const room = responseBytesMax - this.bytes
    if (room <= 0) return look
    const bytesMax = Math.min(room, wanted.partitionBytesMax)
    // KIP-74: the first batch of an answer is given however large it is, so that readers advance.
    const tail = readTail(partition, fetchOffset, { bytesMax, atLeastOne: this.bytes === 0 })
    if (tail !== null) {
      partition.tailReadAtMs = this.broker.clock.nowMs()
      look.pieces = tail.pieces
      this.bytes += tail.bytes
      for (const frame of tail.frames) this.frames.push(frame)
      this.count(wanted, tail.bytes)
      return look
    }
    this.readCold(look, partition, bytesMax)
    return look
  }

  /** Not in memory any more: reads from the bucket, and counts what it may bring at most. */
  private readCold(look: Look, partition: Partition, bytesMax: number): void {
    const { wanted } = look
    const runs = partition.state?.runs
    if (runs === undefined) return
    this.bytes += bytesMax
    const reading = this.broker.node.coldReader.read(runs, wanted.fetchOffset, bytesMax).then(
      (pieces) => {
        look.pieces = pieces
        this.count(
          wanted,
          pieces.reduce((sum, piece) => sum + piece.length, 0),
        )
      },
      (error: unknown) => {
        const { topic, partition: index } = wanted
        this.broker.logger.warn('a read from the bucket failed', { topic, partition: index, error })
        const at = this.looks.indexOf(look)
        this.looks[at] = this.failed(wanted, 'KAFKA_STORAGE_ERROR')
      },
    )
    this.cold.push(reading)
  }

  private count(wanted: SessionPartition, bytes: number): void {
    if (bytes === 0) return
    const { loadMeter } = this.broker.node
    loadMeter.total.bytesOut += bytes
    loadMeter.partitionBytes(`${wanted.topicId}/${wanted.partition}`, bytes)
  }

  private respond(): void {
    const { plan, request } = this
    const byTopic = new Map<string, { topic: string; topicId: string; partitions: unknown[] }>()
    const endpoints = new Map<number, NodeEndpoint>()
    for (const look of this.looks) {
      if (plan.incremental && !this.isNews(look)) continue
      this.remember(look)
      const { topicId, topic } = look.wanted
      const id = topicId === ZERO_UUID ? topic : topicId
      let part = byTopic.get(id)
      if (part === undefined) {
        part = { topic, topicId, partitions: [] }
        byTopic.set(id, part)
      }
      part.partitions.push(answerOf(look))
      if (look.currentLeader !== null) {
        const { leaderId } = look.currentLeader
        const { connection } = request
        const { listener } = connection
        tellMoved(connection, look.wanted, 'error', this.broker.clock.nowMs())
        const endpoint = endpointOf(this.broker.node.image, leaderId, listener)
        if (endpoint !== null) endpoints.set(endpoint.nodeId, endpoint)
      } else if (look.preferredReplica >= 0) {
        tellMoved(request.connection, look.wanted, 'redirect', this.broker.clock.nowMs())
      }
    }
    request.respond(
      {
        throttleTimeMs: 0,
        errorCode: 0,
        sessionId: plan.session?.id ?? 0,
        responses: [...byTopic.values()],
        nodeEndpoints: [...endpoints.values()],
      },
      this.frames,
    )
  }

  private isNews({
    wanted,
    pieces,
    errorCode: code,
    highWatermark,
    logStartOffset,
    preferredReplica,
  }: Look): boolean {
    if (pieces.length > 0 || code !== 0 || wanted.lastError !== 0) return true
    if (preferredReplica >= 0) return true
    return highWatermark !== wanted.highWatermark || logStartOffset !== wanted.logStartOffset
  }

  private remember({ wanted, pieces, errorCode: code, highWatermark, logStartOffset }: Look): void {
    wanted.highWatermark = highWatermark
    wanted.logStartOffset = logStartOffset
    wanted.lastError = code
    const { session, partitions } = this.plan
    if (session === null || pieces.length === 0) return
    // To the end of the order: next time the others come first.
    if (partitions.get(wanted.key) !== wanted) return
    partitions.delete(wanted.key)
    partitions.set(wanted.key, wanted)
  }
}

function answerOf(look: Look): unknown {
  return {
    partitionIndex: look.wanted.partition,
    errorCode: look.errorCode,
    highWatermark: look.highWatermark,
    lastStableOffset: look.highWatermark,
    logStartOffset: look.logStartOffset,
    currentLeader: look.currentLeader ?? undefined,
    abortedTransactions: null,
    preferredReadReplica: look.preferredReplica,
    records: look.pieces,
  }
}
