import { assert } from '../../base/assert.ts'
import { handleProduce } from '../../broker/handlers/produce.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { errorCode } from '../../broker/protocol/error-codes.ts'
import type { ProduceRequest, ProduceResponse } from '../../broker/protocol/messages/produce.ts'
import { buildBatch } from '../../broker/protocol/record-batch.ts'
import type { History } from '../history.ts'
import { between, chance } from '../world.ts'
import { Client, type ClientOptions, namedLeader, type NamedLeader } from './client.ts'

const IN_FLIGHT_MAX = 5
const REQUEST_TIMEOUT_MS = 1_500
/** Sequences are 31 bits. */
const SEQUENCES = 2 ** 31
const PADDING = 'x'.repeat(300)

interface Batch {
  /** The how manieth of its lane. */
  readonly ordinal: number
  readonly payloads: readonly number[]
  readonly bytes: Buffer
  readonly baseSequence: number
  isInFlight: boolean
  tries: number
}

interface Reply {
  readonly errorCode: number
  readonly baseOffset: number
  readonly leader: NamedLeader | null
}

export interface ProducerOptions extends ClientOptions {
  readonly history: History
  /** -1: without idempotence. */
  readonly producerId: number
  readonly partitions: readonly number[]
  /** The mean pause between two batches of one partition. */
  readonly pauseMs: number
}

/**
 * A producer as Kafka's Java client behaves: up to five batches of a partition in flight, on one
 * connection and in order; after a failure everything is sent again in order, one at a time.
 */
export class Producer {
  readonly client: Client
  private readonly lanes: Lane[]
  private readonly options: ProducerOptions
  private isStopped = false

  constructor(options: ProducerOptions) {
    this.options = options
    this.client = new Client(options)
    this.lanes = options.partitions.map((partition) => new Lane(this.client, options, partition))
  }

  start(): void {
    const { process, random, pauseMs } = this.options
    for (const lane of this.lanes) {
      const next = (): void => {
        if (this.isStopped) return
        lane.add()
        process.clock.after(between(random, 1, 2 * pauseMs), next)
      }
      process.clock.after(between(random, 0, pauseMs), next)
    }
  }

  /** Makes nothing new; what is not acknowledged yet is still sent. */
  stop(): void {
    this.isStopped = true
  }

  /** Batches that are not acknowledged yet. */
  get pendingCount(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.pendingCount, 0)
  }
}

/** A producer's batches for one partition. */
class Lane {
  private readonly client: Client
  private readonly options: ProducerOptions
  private readonly partition: number
  private readonly queue: Batch[] = []
  private sequence = 0
  private madeCount = 0
  private inFlightCount = 0
  /** Something failed: one batch at a time until all that was sent before is acknowledged. */
  private isRetrying = false
  private isWaiting = false

  constructor(client: Client, options: ProducerOptions, partition: number) {
    this.client = client
    this.options = options
    this.partition = partition
    // Sequences wrap: some producers get there soon.
    const isNearEnd = chance(options.random, 300)
    this.sequence = isNearEnd ? SEQUENCES - 1 - options.random.below(200) : 0
  }

  get pendingCount(): number {
    return this.queue.length
  }

  /** Makes one batch of new records. A producer that is behind makes no more. */
  add(): void {
    const { random, history, process, producerId } = this.options
    if (this.queue.length >= 4 * IN_FLIGHT_MAX) return
    const isIdempotent = producerId >= 0
    const payloads: number[] = []
    const timestamp = process.clock.wallMs()
    const records = []
    for (let count = 1 + random.below(5); count > 0; count--) {
      const payload = history.newPayload(`${process.name}/${this.partition}`, isIdempotent)
      payloads.push(payload)
      const value = Buffer.from(`${payload} ${PADDING.slice(0, random.below(200))}`)
      records.push({ key: null, value, timestamp })
    }
    const baseSequence = isIdempotent ? this.sequence : -1
    const producerEpoch = isIdempotent ? 0 : -1
    const bytes = buildBatch(records, { producerId, producerEpoch, baseSequence })
    this.sequence = (this.sequence + records.length) % SEQUENCES
    const ordinal = this.madeCount++
    this.queue.push({ ordinal, payloads, bytes, baseSequence, isInFlight: false, tries: 0 })
    this.pump()
  }

  private pump(): void {
    if (this.isWaiting) return
    const head = this.queue[0]
    if (head === undefined) return
    if (this.isRetrying && head.tries === 0) this.isRetrying = false
    // Counted from the oldest one without an answer: brokers know the last five batches only.
    const window = this.isRetrying ? 1 : IN_FLIGHT_MAX
    for (const batch of this.queue) {
      if (batch.ordinal - head.ordinal >= window) break
      if (!batch.isInFlight) this.send(batch)
    }
  }

  private send(batch: Batch): void {
    const { topic } = this.options
    batch.isInFlight = true
    batch.tries++
    this.inFlightCount++
    const makeBody = (frame: Buffer): ProduceRequest => ({
      transactionalId: null,
      acks: -1,
      timeoutMs: REQUEST_TIMEOUT_MS,
      topicData: [
        {
          name: topic.name,
          topicId: topic.topicId,
          partitionData: [{ index: this.partition, records: frame }],
        },
      ],
    })
    const call = {
      handler: handleProduce,
      api: apis.produce,
      version: 13,
      bytes: batch.bytes,
      makeBody,
      purpose: 'produce',
      timeoutMs: REQUEST_TIMEOUT_MS,
      read: (response: unknown) => this.read(response as ProduceResponse),
    }
    this.client.ask<Reply>(this.partition, call, (reply) => this.answered(batch, reply))
  }

  private read(response: ProduceResponse): Reply {
    const part = response.responses[0]?.partitionResponses[0]
    assert(part !== undefined, 'a produce response answers every partition')
    const { baseOffset, currentLeader } = part
    const leader = namedLeader(currentLeader, response.nodeEndpoints)
    return { errorCode: part.errorCode, baseOffset, leader }
  }

  private answered(batch: Batch, reply: Reply | null): void {
    const { history, world, process } = this.options
    batch.isInFlight = false
    this.inFlightCount--
    const where = `p${this.partition}`
    if (reply !== null && reply.errorCode === 0) {
      const first = `${batch.payloads[0]}+${batch.payloads.length}`
      world.trace.line(process.name, `acknowledged ${first} at ${where} offset ${reply.baseOffset}`)
      history.acknowledged(where, reply.baseOffset, batch.payloads)
      this.queue.splice(this.queue.indexOf(batch), 1)
      this.pump()
      return
    }
    this.checkRefusal(batch, reply)
    if (reply?.leader) this.client.learn(this.partition, reply.leader)
    this.isRetrying = true
    if (this.inFlightCount > 0 || this.isWaiting) return
    this.isWaiting = true
    const again = (): void => {
      this.isWaiting = false
      this.pump()
    }
    const { clock } = process
    clock.after(between(this.options.random, 5, 100), () => this.client.refresh(again))
  }

  /**
   * Whatever comes before the oldest batch was acknowledged, so no owner may miss it; and an owner
   * of yesterday asks the metadata log's head before it refuses a sequence.
   */
  private checkRefusal(batch: Batch, reply: Reply | null): void {
    const { world, process } = this.options
    if (reply === null || reply.errorCode === errorCode.NOT_LEADER_OR_FOLLOWER) return
    const name = `code ${reply.errorCode}`
    const text = `${batch.payloads[0]} for p${this.partition} refused with ${name}`
    world.trace.line(process.name, text)
    const isOutOfOrder = reply.errorCode === errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    if (isOutOfOrder && this.queue[0] === batch) {
      world.fail('the next sequence is accepted', `${process.name}: ${text}`)
    }
  }
}
