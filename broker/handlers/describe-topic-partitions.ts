import type { TopicEntry } from '../../metadata/image.ts'
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../protocol/messages/describe-topic-partitions.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Request } from '../request.ts'
import { TOPIC_OPERATIONS } from './authorized-operations.ts'
import { answering, type Broker, codeOf, findTopic, ZERO_UUID } from './context.ts'
import { LeaderReach } from './leader-reach.ts'
import { whyNotTopicName } from './topic-creation.ts'
import { isInternalTopic } from './topic-names.ts'

type TopicAnswer = DescribeTopicPartitionsResponse['topics'][number]
/** LeaderReach counts by Metadata's versions, and this API is younger than all that matter. */
const NEWER_THAN_METADATA = 0x7fff
type Cursor = NonNullable<DescribeTopicPartitionsRequest['cursor']>

/**
 * DescribeTopicPartitions: v0 (KIP-966). Topics in the order of their names, page by page.
 *
 * Differs from Kafka: see Metadata. There is one replica, so there are no eligible leaders beside
 * it.
 */
export const handleDescribeTopicPartitions = answering(
  (
    broker: Broker,
    body: DescribeTopicPartitionsRequest,
    request: Request,
  ): DescribeTopicPartitionsResponse => {
    const { cursor } = body
    const isAll = body.topics.length === 0
    const asked = isAll ? broker.node.image.topicIds.keys() : body.topics.map(({ name }) => name)
    const from = cursor?.topicName ?? ''
    const names = [...new Set(asked)].filter((name) => name >= from).sort()
    const isLost = cursor !== null && !isAll && !names.includes(cursor.topicName)
    if (isLost || (cursor !== null && cursor.partitionIndex < 0)) {
      return { topics: body.topics.map(({ name }) => refused('INVALID_REQUEST', name)) }
    }
    const limit = Math.min(
      body.responsePartitionLimit,
      broker.config.number('max.request.partition.size.limit'),
    )
    const { listener } = request.connection
    const leaders = new LeaderReach(broker.node.image, listener, NEWER_THAN_METADATA)
    return page(broker, names, { cursor, limit: Math.max(limit, 1), leaders })
  },
)

function page(
  broker: Broker,
  names: readonly string[],
  { cursor, limit, leaders }: { cursor: Cursor | null; limit: number; leaders: LeaderReach },
): DescribeTopicPartitionsResponse {
  const topics: TopicAnswer[] = []
  let remaining = limit
  for (const name of names) {
    if (remaining === 0) return { topics, nextCursor: { topicName: name, partitionIndex: 0 } }
    const topic = findTopic(broker.node.image, { name })
    if (topic === undefined) {
      const isInvalid = whyNotTopicName(name) !== null
      topics.push(
        refused(isInvalid ? 'INVALID_TOPIC_EXCEPTION' : 'UNKNOWN_TOPIC_OR_PARTITION', name),
      )
      continue
    }
    const start = name === cursor?.topicName ? cursor.partitionIndex : 0
    const answer = describe(topic, { start, end: start + remaining, leaders })
    topics.push(answer)
    remaining -= answer.partitions.length
    if (start + answer.partitions.length < topic.partitions.length) {
      const partitionIndex = start + answer.partitions.length
      return { topics, nextCursor: { topicName: name, partitionIndex } }
    }
  }
  return { topics }
}

function describe(
  topic: TopicEntry,
  { start, end, leaders }: { start: number; end: number; leaders: LeaderReach },
): TopicAnswer {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.slice(start, end).map(({ nodeId, leaderEpoch }, at) => ({
      ...leaders.of(nodeId),
      partitionIndex: start + at,
      leaderEpoch,
      replicaNodes: [nodeId],
      isrNodes: [nodeId],
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
    })),
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  }
}

function refused(error: ErrorName, name: string): TopicAnswer {
  return {
    errorCode: codeOf(error),
    name,
    topicId: ZERO_UUID,
    isInternal: isInternalTopic(name),
    partitions: [],
  }
}
