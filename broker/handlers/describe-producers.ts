import type {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../protocol/messages/describe-producers.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { type Asked, ledPartition, settled } from './leader-check.ts'

type Answer = DescribeProducersResponse['topics'][number]['partitions'][number]

/**
 * DescribeProducers: v0 (KIP-664). Producers whose sequences the partition's owner remembers.
 *
 * Differs from Kafka: the time is that of the append, not of the producer's own clock. There are no
 * transactions, so no coordinator and no first offset of one.
 */
export const handleDescribeProducers = answering(
  async (broker: Broker, body: DescribeProducersRequest): Promise<DescribeProducersResponse> => {
    const topics = body.topics.map(({ name, partitionIndexes }) => {
      return partitionIndexes.map((index): Asked => {
        return { topic: name, index, currentLeaderEpoch: -1 }
      })
    })
    await settled(broker, topics.flat())
    return {
      topics: body.topics.map(({ name }, at) => ({
        name,
        partitions: (topics[at] ?? []).map((asked) => answerFor(broker, asked)),
      })),
    }
  },
)

function answerFor(broker: Broker, asked: Asked): Answer {
  const partitionIndex = asked.index
  const partition = ledPartition(broker, asked)
  if (typeof partition === 'string') {
    return { partitionIndex, errorCode: codeOf(partition), activeProducers: [] }
  }
  const producers = [...(partition.state?.producers.list() ?? [])]
  return {
    partitionIndex,
    errorCode: 0,
    activeProducers: producers.map(({ producerId, last }) => ({
      producerId,
      producerEpoch: last.producerEpoch,
      lastSequence: last.lastSequence,
      lastTimestamp: Math.round(last.appendedMs),
      coordinatorEpoch: -1,
    })),
  }
}
