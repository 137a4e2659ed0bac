import type { Partition } from '../partition/partition.ts'
import type { ListOffsetsRequest, ListOffsetsResponse } from '../protocol/messages/list-offsets.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Request } from '../request.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { type Asked, ledPartition, settled } from './leader-check.ts'
import { firstRecordSince, type FoundRecord, newestRecord } from './offset-by-time.ts'

type Answer = ListOffsetsResponse['topics'][number]['partitions'][number]
type AskedTime = Asked & { readonly timestamp: number; readonly isDuplicate: boolean }

/** What a time stamp below zero asks for, and the first version that has it. */
const SPECIAL: Readonly<Record<number, { readonly what: SpecialTime; readonly from: number }>> = {
  [-1]: { what: 'latest', from: 1 },
  [-2]: { what: 'earliest', from: 1 },
  [-3]: { what: 'newest-record', from: 7 },
  [-4]: { what: 'earliest', from: 8 },
  [-5]: { what: 'none', from: 9 },
  [-6]: { what: 'none', from: 11 },
}
type SpecialTime = 'latest' | 'earliest' | 'newest-record' | 'none'

/**
 * ListOffsets: v1-11.
 *
 * Differs from Kafka: both isolation levels see the same until there are transactions. Nothing is
 * tiered, so "earliest local" is the log start and the tiers' own offsets are -1, as in a Kafka
 * without tiered storage. A batch that cannot be unpacked answers with its first offset.
 *
 * v2: KIP-98, isolation level. v4: KIP-320, leader epochs. v7: KIP-734, the newest time stamp (-3).
 * v8: KIP-405, -4. v9: KIP-1005, -5. v10: KIP-1075, a time-out, for tiers only. v11: KIP-1023, -6.
 */
export const handleListOffsets = answering(
  async (
    broker: Broker,
    body: ListOffsetsRequest,
    request: Request,
  ): Promise<ListOffsetsResponse> => {
    const topics = askedIn(body)
    await settled(broker, topics.flat())
    const answers = await Promise.all(
      topics.map((partitions) => {
        return Promise.all(partitions.map((asked) => answerFor(broker, asked, request.version)))
      }),
    )
    return { topics: body.topics.map(({ name }, at) => ({ name, partitions: answers[at] ?? [] })) }
  },
)

/** What is asked for, per topic of the request. */
function askedIn(body: ListOffsetsRequest): AskedTime[][] {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { name, partitions } of body.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${partitionIndex} ${name}`
      if (seen.has(key)) twice.add(key)
      seen.add(key)
    }
  }
  return body.topics.map(({ name: topic, partitions }) => {
    return partitions.map(({ partitionIndex: index, currentLeaderEpoch, timestamp }) => {
      const isDuplicate = twice.has(`${index} ${topic}`)
      return { topic, index, currentLeaderEpoch, timestamp, isDuplicate }
    })
  })
}

async function answerFor(broker: Broker, asked: AskedTime, version: number): Promise<Answer> {
  const { timestamp, index: partitionIndex } = asked
  if (asked.isDuplicate) return failed(asked, 'INVALID_REQUEST')
  const special = timestamp < 0 ? SPECIAL[timestamp] : undefined
  if (timestamp < 0 && (special === undefined || version < special.from)) {
    return failed(asked, 'UNSUPPORTED_VERSION')
  }
  const partition = ledPartition(broker, asked)
  if (typeof partition === 'string') return failed(asked, partition)
  const { highWatermark, logStartOffset, leaderEpoch } = partition
  switch (special?.what) {
    case 'latest':
      return { partitionIndex, errorCode: 0, offset: highWatermark, leaderEpoch }
    case 'earliest': {
      const offset = logStartOffset
      return { partitionIndex, errorCode: 0, offset, leaderEpoch: epochAt(partition, offset) }
    }
    case 'none':
      return { partitionIndex, errorCode: 0 }
    default:
      return byTime(broker, asked, partition, special === undefined ? timestamp : null)
  }
}

/** `timestamp` null: the record with the newest one. */
async function byTime(
  broker: Broker,
  asked: AskedTime,
  partition: Partition,
  timestamp: number | null,
): Promise<Answer> {
  const search = { partition, coldReader: broker.node.coldReader, logger: broker.logger }
  let found: FoundRecord | null
  try {
    found = await (timestamp === null ? newestRecord(search) : firstRecordSince(search, timestamp))
  } catch (error) {
    // While it was read, the partition may have moved on, or its topic may have been deleted.
    const now = ledPartition(broker, asked)
    if (typeof now === 'string') return failed(asked, now)
    const { topic, index } = asked
    broker.logger.warn('a search by time failed', { topic, partition: index, error })
    return failed(asked, 'KAFKA_STORAGE_ERROR')
  }
  const { index: partitionIndex } = asked
  if (found === null) return { partitionIndex, errorCode: 0 }
  const { offset, timestampMs, leaderEpoch } = found
  return { partitionIndex, errorCode: 0, timestamp: timestampMs, offset, leaderEpoch }
}

/** The leader epoch that `offset` was written in, or the current one where nothing is written. */
function epochAt({ state, leaderEpoch }: Partition, offset: number): number {
  const epochs = state?.epochs ?? []
  return epochs.findLast(({ startOffset }) => startOffset <= offset)?.leaderEpoch ?? leaderEpoch
}

function failed({ index }: AskedTime, error: ErrorName): Answer {
  return { partitionIndex: index, errorCode: codeOf(error) }
}
