import type { SharedBytes } from '../../base/buffer-pool.ts'
import { OrderGate } from '../../base/order-gate.ts'
import type { TopicEntry } from '../../metadata/image.ts'
import { topicSettings } from '../config/topic-config.ts'
import type { AppendResult, AppendWaiter, Partition } from '../partition/partition.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { ProduceRequest } from '../protocol/messages/produce.ts'
import {
  type AcceptedBatch,
  type JudgeOptions,
  judgeBatch,
  type RefusedProduce,
  VALIDATION_BY_DEFAULT,
} from '../protocol/judge-batch.ts'
import type { Request, RequestChannel } from '../request.ts'
import {
  type Broker,
  codeOf,
  endpointOf,
  findTopic,
  type Handler,
  type NodeEndpoint,
} from './context.ts'
import { ERROR_OF_BATCH, judgeInTurn } from './judge-produce.ts'
import { type Leadership, leadershipOf, whenSettled } from './leadership.ts'
import { isInternalTopic } from './topic-names.ts'

/**
 * Produce: v3-13.
 *
 * Differs from Kafka: acks=1 waits for durability just as acks=all does, since nothing is
 * acknowledged before it is in the bucket. Transactional batches are refused until there are
 * transactions.
 *
 * v10: KIP-951, errors name the new leader and its endpoint. v13: KIP-516, topic ids.
 */
export const handleProduce: Handler = (broker, request) => {
  const body = request.body as ProduceRequest
  const task = new ProduceTask(broker, request, body)
  // A partition that is just opening makes a produce wait, and then those behind it on the same
  // connection wait too: otherwise a later batch of a producer would overtake an earlier one.
  // The same goes for batches that must be unpacked first.
  gateOf(request.connection).run((done) => {
    const appendAll = (): void => {
      task.append()
      done()
    }
    const judgeAll = (): void => {
      const judged = task.judge()
      if (judged === null) {
        appendAll()
        return
      }
      void judged.then(() => {
        task.lookUp()
        appendAll()
      })
    }
    if (task.lookUp()) {
      judgeAll()
      return
    }
    const lookUpAgain = (): void => {
      task.lookUp()
      judgeAll()
    }
    whenSettled(broker, task.addresses(), lookUpAgain, request.receivedAtMs)
  })
}

const gates = new WeakMap<RequestChannel, OrderGate>()

function gateOf(connection: RequestChannel): OrderGate {
  let gate = gates.get(connection)
  if (gate === undefined) {
    gate = new OrderGate()
    gates.set(connection, gate)
  }
  return gate
}

/** Which record of a batch is refused, and why (KIP-467). */
interface RecordErrorAnswer {
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}

const NO_RECORD_ERRORS: readonly RecordErrorAnswer[] = []

interface PartitionOutcome {
  readonly index: number
  errorCode: number
  errorMessage: string | null
  recordErrors: readonly RecordErrorAnswer[]
  baseOffset: number
  logAppendTimeMs: number
  logStartOffset: number
  currentLeader?: { leaderId: number; leaderEpoch: number }
}

interface TopicPart {
  readonly request: ProduceRequest['topicData'][number]
  readonly topic: TopicEntry | undefined
  readonly outcomes: PartitionOutcome[]
}

/** One produce request on its way: appends all its partitions, answers when the last is durable. */
class ProduceTask implements AppendWaiter {
  private readonly broker: Broker
  private readonly request: Request
  private readonly body: ProduceRequest
  private readonly parts: TopicPart[] = []
  /** All outcomes of all topics, by the index that appends are told under. */
  private readonly outcomes: PartitionOutcome[] = []
  /** Who owns what is written to, under the same index; undefined where there is no such topic. */
  private leaderships: (Leadership | undefined)[] = []
  /** What becomes of the batches, under the same index; null where it was not ours to say. */
  private judgements: (AcceptedBatch | RefusedProduce | 'fault' | null)[] = []
  private readonly options: JudgeOptions
  private endpoints: NodeEndpoint[] | null = null
  private pending = 1

  constructor(broker: Broker, request: Request, body: ProduceRequest) {
    this.broker = broker
    this.request = request
    this.body = body
    this.options = {
      nowMs: broker.clock.wallMs(),
      zstdAllowed: request.version >= 7,
      validation: broker.recordValidation ?? VALIDATION_BY_DEFAULT,
    }
    for (const topicData of body.topicData) {
      const topic = findTopic(broker.node.image, topicData)
      this.parts.push({ request: topicData, topic, outcomes: [] })
    }
  }

  addresses(): { topicId: string; index: number }[] {
    const addresses: { topicId: string; index: number }[] = []
    for (const { topic, request } of this.parts) {
      if (topic === undefined) continue
      for (const { index } of request.partitionData) {
        addresses.push({ topicId: topic.topicId, index })
      }
    }
    return addresses
  }

  /**
   * Looks up who owns what is written to; {@link append} must follow in the same step. False if
   * that is about to change, and worth waiting for.
   */
  lookUp(): boolean {
    const { broker } = this
    let isSettled = true
    this.leaderships = []
    for (const { topic, request } of this.parts) {
      for (const { index } of request.partitionData) {
        const leadership = topic && leadershipOf(broker, topic.topicId, index)
        this.leaderships.push(leadership)
        const kind = leadership?.kind
        if (kind === 'opening' || kind === 'ask-again') isSettled = false
      }
    }
    return isSettled
  }

  /**
   * Judges all batches for partitions that are here; {@link lookUp} was before. Null once that is
   * done; where batches must be unpacked, what resolves when it is.
   */
  judge(): Promise<void> | null {
    if (this.refusal !== null) return null
    let unpacked: Promise<void>[] | null = null
    let at = -1
    for (const { topic, request } of this.parts) {
      const isOpen = topic !== undefined && !isInternalTopic(topic.name)
      for (const { records } of request.partitionData) {
        at++
        this.judgements.push(null)
        if (!isOpen || this.leaderships[at]?.kind !== 'here') continue
        const rules = topicSettings(this.broker.config, topic)
        const judged = judgeBatch(records, rules, this.options)
        if (judged.verdict !== 'pending') {
          this.judgements[at] = judged
          continue
        }
        const index = at
        unpacked ??= []
        unpacked.push(
          judgeInTurn(this.broker, judged, rules, this.options).then((outcome) => {
            this.judgements[index] = outcome ?? 'fault'
          }),
        )
      }
    }
    return unpacked === null ? null : Promise.all(unpacked).then(() => undefined)
  }

  private get refusal(): ErrorName | null {
    const { acks } = this.body
    return acks < -1 || acks > 1 ? 'INVALID_REQUIRED_ACKS' : null
  }

  append(): void {
    const { refusal } = this
    for (const part of this.parts) {
      for (const { index } of part.request.partitionData) {
        const outcome: PartitionOutcome = {
          index,
          errorCode: codeOf(refusal),
          errorMessage: null,
          recordErrors: NO_RECORD_ERRORS,
          baseOffset: -1,
          logAppendTimeMs: -1,
          logStartOffset: -1,
        }
        part.outcomes.push(outcome)
        this.outcomes.push(outcome)
        this.pending++
        if (refusal !== null) this.pending--
        else this.appendTo(part, this.outcomes.length - 1)
      }
    }
    this.finishOne()
  }

  private appendTo(part: TopicPart, at: number): void {
    const outcome = this.outcomes[at] as PartitionOutcome
    if (part.topic === undefined) {
      const byId = part.request.topicId !== undefined && this.request.version >= 13
      this.fail(outcome, byId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION')
      return
    }
    if (isInternalTopic(part.topic.name)) {
      // What is in there is what coordinators have in memory: nobody else may write it.
      this.fail(outcome, 'INVALID_TOPIC_EXCEPTION', 'brokers alone write to this topic')
      return
    }
    const leadership = this.leaderships[at]
    if (leadership === undefined || leadership.kind === 'unknown') {
      this.fail(outcome, 'UNKNOWN_TOPIC_OR_PARTITION')
      return
    }
    const judgement = this.judgements[at]
    // It may have come here only since the batches were judged: the client asks again.
    if (leadership.kind !== 'here' || judgement === null || judgement === undefined) {
      this.notLeader(outcome, part.topic)
      return
    }
    if (judgement === 'fault') {
      this.fail(outcome, 'UNKNOWN_SERVER_ERROR')
      return
    }
    if (judgement.verdict === 'refused') {
      this.refuse(outcome, judgement)
      return
    }
    const { info } = judgement
    if (info.transactional) {
      this.fail(outcome, 'INVALID_TXN_STATE', 'transactions are not supported by this release')
      return
    }
    if (topicSettings(this.broker.config, part.topic).logAppendTime) {
      outcome.logAppendTimeMs = judgement.maxTimestamp
    }
    this.appendBatch(leadership.partition, judgement, at)
    this.count(part.topic.topicId, outcome.index, info.sizeBytes)
  }

  private appendBatch(partition: Partition, accepted: AcceptedBatch, at: number): void {
    const { info } = accepted
    const frame = accepted.isRebuilt ? this.inOwnFrame(accepted.bytes) : this.request.frame
    partition.append(
      {
        bytes: accepted.isRebuilt ? frame.buffer : accepted.bytes,
        frame,
        recordCount: info.recordsCount,
        maxTimestampMs: accepted.maxTimestamp,
        attributes: accepted.attributes,
        producerId: info.producerId,
        producerEpoch: info.producerEpoch,
        baseSequence: info.baseSequence,
      },
      this,
      at,
    )
    // The partition keeps what it needs.
    if (accepted.isRebuilt) frame.release()
  }

  /** Memory that counts, and that goes back to the pool when the batch needs it no more. */
  private inOwnFrame(bytes: Buffer): SharedBytes {
    const frame = this.broker.pool.take(bytes.length)
    bytes.copy(frame.buffer)
    return frame
  }

  private refuse(outcome: PartitionOutcome, { error, reason, recordErrors }: RefusedProduce): void {
    outcome.recordErrors = recordErrors.map((each) => {
      return { batchIndex: each.batchIndex, batchIndexErrorMessage: each.reason }
    })
    this.fail(outcome, ERROR_OF_BATCH[error], reason)
  }

  private count(topicId: string, index: number, bytes: number): void {
    const { loadMeter } = this.broker.node
    loadMeter.total.bytesIn += bytes
    loadMeter.partitionBytes(`${topicId}/${index}`, bytes)
  }

  private fail(outcome: PartitionOutcome, error: ErrorName, message: string | null = null): void {
    outcome.errorCode = codeOf(error)
    outcome.errorMessage = message
    this.finishOne()
  }

  private notLeader(outcome: PartitionOutcome, topic: TopicEntry): void {
    const { image } = this.broker.node
    const ownership = image.topics.get(topic.topicId)?.partitions[outcome.index]
    if (ownership !== undefined) {
      const { nodeId: leaderId, leaderEpoch } = ownership
      outcome.currentLeader = { leaderId, leaderEpoch }
      const endpoint = endpointOf(image, leaderId, this.request.connection.listener)
      if (endpoint !== null && !this.endpoints?.some(({ nodeId }) => nodeId === leaderId)) {
        this.endpoints = [...(this.endpoints ?? []), endpoint]
      }
    }
    this.fail(outcome, 'NOT_LEADER_OR_FOLLOWER')
  }

  /** Told by a partition: durable, or refused. */
  appended(at: number, result: AppendResult): void {
    const outcome = this.outcomes[at] as PartitionOutcome
    if (result.error === null) {
      outcome.baseOffset = result.baseOffset
      outcome.logStartOffset = result.logStartOffset
      this.finishOne()
      return
    }
    outcome.logAppendTimeMs = -1
    if (result.error === 'not-leader') {
      const part = this.parts.find(({ outcomes }) => outcomes.includes(outcome))
      if (part?.topic !== undefined) this.notLeader(outcome, part.topic)
      else this.fail(outcome, 'NOT_LEADER_OR_FOLLOWER')
      return
    }
    void this.refuseAsOwner(outcome, ERROR_OF_APPEND[result.error])
  }

  /**
   * An owner of yesterday judges sequences by an old state, and a client takes such an error for
   * final: it begins anew, and what it sends again is doubled. So only who is the owner still, by
   * the metadata log's head, gives one.
   */
  private async refuseAsOwner(outcome: PartitionOutcome, error: ErrorName): Promise<void> {
    const { log } = this.broker.node
    const part = this.parts.find(({ outcomes }) => outcomes.includes(outcome))
    const isRead = await log.catchUp().then(
      () => true,
      () => false,
    )
    const topic = part?.topic
    if (topic === undefined) this.fail(outcome, 'NOT_LEADER_OR_FOLLOWER')
    else if (isRead && leadershipOf(this.broker, topic.topicId, outcome.index).kind === 'here') {
      this.fail(outcome, error)
    } else this.notLeader(outcome, topic)
  }

  private finishOne(): void {
    this.pending--
    if (this.pending > 0) return
    if (this.body.acks === 0) {
      this.finishUnacknowledged()
      return
    }
    this.request.respond({
      responses: this.parts.map(({ request, outcomes }) => ({
        name: request.name,
        topicId: request.topicId,
        partitionResponses: outcomes,
      })),
      throttleTimeMs: 0,
      nodeEndpoints: this.endpoints ?? [],
    })
  }

  /** A producer that wants no answer learns of an error by a closed connection, as in Kafka. */
  private finishUnacknowledged(): void {
    this.request.respondNothing()
    if (this.outcomes.some(({ errorCode }) => errorCode !== 0)) this.request.connection.close()
  }
}

const ERROR_OF_APPEND = {
  'out-of-order-sequence': 'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'stale-producer-epoch': 'INVALID_PRODUCER_EPOCH',
} as const satisfies Record<string, ErrorName>
