import { assert } from '../../base/assert.ts'
import { handleFetch } from '../../broker/handlers/fetch.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { errorCode } from '../../broker/protocol/error-codes.ts'
import type { FetchRequest, FetchResponse } from '../../broker/protocol/messages/fetch.ts'
import { batchBytes, computeCrc, crc, decodeRecords } from '../../broker/protocol/record-batch.ts'
import type { History, SeenRecord } from '../history.ts'
import { between, chance } from '../world.ts'
import { Client, type ClientOptions, namedLeader, type NamedLeader } from './client.ts'

const MAX_WAIT_MS = 200
const REQUEST_TIMEOUT_MS = 1_500
const FETCH_BYTES_MAX = 4 * 1024
/** In 1,000: a consumer that has caught up starts again at 0, where nothing is in memory. */
const STARTING_OVER = 20

interface Reply {
  readonly errorCode: number
  readonly records: readonly SeenRecord[]
  readonly leader: NamedLeader | null
}

export interface ConsumerOptions extends ClientOptions {
  readonly history: History
}

/**
 * The records of whole batches that lie one after the other in `pieces`. Throws on bytes that are
 * not what a producer sent.
 */
export function recordsOf(pieces: readonly Buffer[]): SeenRecord[] {
  const records: SeenRecord[] = []
  for (const piece of pieces) {
    for (let position = 0; position < piece.length; position += batchBytes(piece, position)) {
      assert(crc(piece, position) === computeCrc(piece, position), 'the CRC of a batch is right')
      for (const { offset, value } of decodeRecords(piece, position)) {
        records.push({ offset, payload: Number.parseInt(value?.toString('latin1') ?? '', 10) })
      }
    }
  }
  return records
}

/** Reads all partitions from 0 on, over and over. */
export class Consumer {
  readonly client: Client
  private readonly options: ConsumerOptions
  private isStopped = false

  constructor(options: ConsumerOptions) {
    this.options = options
    this.client = new Client(options)
  }

  start(): void {
    const { topic, process, random } = this.options
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      process.clock.after(between(random, 0, 100), () => this.fetch(partition, 0))
    }
  }

  stop(): void {
    this.isStopped = true
  }

  private fetch(partition: number, fetchOffset: number): void {
    if (this.isStopped) return
    const { topic } = this.options
    const body: FetchRequest = {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: MAX_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic: topic.name,
          topicId: topic.topicId,
          partitions: [
            {
              partition,
              currentLeaderEpoch: -1,
              fetchOffset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: FETCH_BYTES_MAX,
              replicaDirectoryId: topic.topicId,
              highWatermark: Number.POSITIVE_INFINITY,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    }
    const call = {
      handler: handleFetch,
      api: apis.fetch,
      version: 16,
      bytes: EMPTY,
      makeBody: () => body,
      // One per partition: a fetch that waits must not keep the others waiting.
      purpose: `fetch ${partition}`,
      timeoutMs: REQUEST_TIMEOUT_MS,
      read: (response: unknown) => this.read(partition, response as FetchResponse),
    }
    this.client.ask<Reply>(partition, call, (reply) => this.answered(partition, fetchOffset, reply))
  }

  private read(partition: number, response: FetchResponse): Reply {
    const part = response.responses[0]?.partitions[0]
    assert(part !== undefined, 'a fetch response answers every partition')
    const leader = namedLeader(part.currentLeader, response.nodeEndpoints)
    const pieces = (part.records ?? []) as readonly Buffer[]
    // Only now, when the answer has left the broker: memory used again too early would show here.
    const { world, process } = this.options
    try {
      return { errorCode: part.errorCode, records: recordsOf(pieces), leader }
    } catch (error) {
      world.fail('what is read is whole', `${process.name} p${partition}: ${String(error)}`)
      return { errorCode: errorCode.CORRUPT_MESSAGE, records: [], leader }
    }
  }

  private answered(partition: number, fetchOffset: number, reply: Reply | null): void {
    const { world, process, random, history } = this.options
    const where = `p${partition}`
    if (reply?.leader) this.client.learn(partition, reply.leader)
    if (reply === null || reply.errorCode !== 0) {
      if (reply?.errorCode === errorCode.OFFSET_OUT_OF_RANGE) {
        world.fail('what a consumer saw stays', `${where}: ${fetchOffset} is out of range`)
      }
      const again = (): void => this.fetch(partition, fetchOffset)
      process.clock.after(between(random, 10, 150), () => this.client.refresh(again))
      return
    }
    const { records } = reply
    const end = Math.max(fetchOffset, (records.at(-1)?.offset ?? -1) + 1)
    if (records.length > 0) {
      const first = records[0]?.offset
      world.trace.line(process.name, `read ${where} offsets ${first} to ${end - 1}`)
      history.consumed(where, fetchOffset, records)
    }
    const startsOver = records.length === 0 && chance(random, STARTING_OVER)
    process.clock.after(1, () => this.fetch(partition, startsOver ? 0 : end))
  }
}

const EMPTY = Buffer.alloc(0)
