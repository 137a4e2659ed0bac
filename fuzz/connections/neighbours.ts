import { sleep, systemClock } from '../../base/clock.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { errorName } from '../../broker/protocol/error-codes.ts'
import { decodeRecords } from '../../broker/protocol/build-batch.ts'
import { Acknowledged, type ReadRecord } from '../../e2e/lib/acknowledged.ts'
import { fetchBody, produceBody } from '../../e2e/lib/api-bodies.ts'
import { batchesIn } from '../../e2e/lib/fetch.ts'
import { batchOf } from '../../e2e/lib/produce.ts'
import { WireClient } from '../../e2e/lib/wire-client.ts'

/** Makes a backlog worth asking for, without being a benchmark. */
const PADDING = 'x'.repeat(2_000)
const PAUSE_MS = 5
const WAIT_MS_MAX = 30_000

/**
 * A producer and a consumer that behave well. Each is on one connection and never tries anything
 * twice: whatever goes wrong for them is a problem.
 */
export class Neighbours {
  readonly problems: string[] = []
  /** The longest time between a record and its acknowledgement. */
  slowestMs = 0
  private readonly acknowledged = new Acknowledged()
  private readonly records: ReadRecord[] = []
  private readonly next = new Map<number, number>()
  private readonly topic: { readonly name: string; readonly id: string }
  private readonly port: number
  private readonly partitions: number
  private isStopping = false
  /** Nothing is written any more: what is to be read is known. */
  private isComplete = false
  private producing = Promise.resolve()
  private consuming = Promise.resolve()

  constructor(port: number, topic: { name: string; id: string }, partitions: number) {
    this.port = port
    this.topic = topic
    this.partitions = partitions
    for (let partition = 0; partition < partitions; partition++) this.next.set(partition, 0)
  }

  get count(): number {
    return this.acknowledged.count
  }

  start(): void {
    this.producing = this.guard('produce', (client) => this.produce(client))
    this.consuming = this.guard('consume', (client) => this.consume(client))
  }

  private async guard(what: string, work: (client: WireClient) => Promise<void>): Promise<void> {
    try {
      const client = await WireClient.connect(this.port)
      await work(client)
      client.close()
    } catch (error) {
      this.problems.push(
        `a client that behaves well could not ${what}: ${(error as Error).message}`,
      )
    }
  }

  private async produce(client: WireClient): Promise<void> {
    for (let number = 0; !this.isStopping; number++) {
      const partition = number % this.partitions
      const value = `${number}-${PADDING}`
      const startMs = systemClock.nowMs()
      const body = produceBody(this.topic.name, new Map([[partition, batchOf(value)]]))
      const { responses } = await client.request(apis.produce, 12, body)
      const answer = responses[0]?.partitionResponses[0]
      if (answer?.errorCode !== 0) throw new Error(errorName(answer?.errorCode ?? -1))
      this.acknowledged.add(partition, answer.baseOffset, value)
      this.slowestMs = Math.max(this.slowestMs, systemClock.nowMs() - startMs)
      await sleep(systemClock, PAUSE_MS)
    }
  }

  private async consume(client: WireClient): Promise<void> {
    let endMs = Number.POSITIVE_INFINITY
    while (!this.isComplete || this.records.length < this.acknowledged.count) {
      if (this.isComplete) endMs = Math.min(endMs, systemClock.nowMs() + WAIT_MS_MAX)
      if (systemClock.nowMs() > endMs) throw new Error('read all that was acknowledged')
      const wanted = [...this.next].map(([partition, fetchOffset]) => ({ partition, fetchOffset }))
      const body = fetchBody(this.topic.id, wanted, { maxWaitMs: 100 })
      const { errorCode, responses } = await client.request(apis.fetch, 16, body)
      if (errorCode !== 0) throw new Error(errorName(errorCode))
      for (const answer of responses[0]?.partitions ?? []) {
        if (answer.errorCode !== 0) throw new Error(errorName(answer.errorCode))
        this.take(answer.partitionIndex, answer.records)
      }
    }
  }

  private take(partition: number, bytes: Buffer | null): void {
    for (const batch of batchesIn(bytes ?? Buffer.alloc(0))) {
      for (const { offset, value } of decodeRecords(batch)) {
        this.records.push({ partition, offset, value: value?.toString() ?? '' })
        this.next.set(partition, offset + 1)
      }
    }
  }

  /** Resolves when both have done all they had to; the problems are then complete. */
  async stop(): Promise<void> {
    this.isStopping = true
    await this.producing
    this.isComplete = true
    await this.consuming
    this.problems.push(...this.acknowledged.faultsOf(this.records))
  }
}
