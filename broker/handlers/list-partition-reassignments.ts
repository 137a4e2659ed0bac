import type { TopicEntry } from '../../metadata/image.ts'
import type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../protocol/messages/list-partition-reassignments.ts'
import { answering, type Broker, findTopic } from './context.ts'

type TopicAnswer = ListPartitionReassignmentsResponse['topics'][number]

/**
 * ListPartitionReassignments: v0 (KIP-455).
 *
 * Differs from Kafka: a partition counts as being reassigned from its change of owner until the new
 * owner has a checkpoint of it, so takeovers and moves of the balancer are listed too.
 */
export const handleListPartitionReassignments = answering(
  (broker: Broker, body: ListPartitionReassignmentsRequest): ListPartitionReassignmentsResponse => {
    const { image } = broker.node
    const topics: TopicAnswer[] = []
    const add = (topic: TopicEntry, indexes: Iterable<number>): void => {
      const partitions = [...indexes].flatMap((index) => reassignmentOf(topic, index))
      if (partitions.length > 0) topics.push({ name: topic.name, partitions })
    }
    if (body.topics === null) {
      for (const topic of image.topics.values()) add(topic, topic.partitions.keys())
    } else {
      for (const { name, partitionIndexes } of body.topics) {
        const topic = findTopic(image, { name })
        if (topic !== undefined) add(topic, partitionIndexes)
      }
    }
    return { errorCode: 0, errorMessage: null, topics }
  },
)

function reassignmentOf(topic: TopicEntry, index: number): TopicAnswer['partitions'] {
  const ownership = topic.partitions[index]
  if (ownership === undefined || ownership.from.length === 0) return []
  const { nodeId, from } = ownership
  const leaving = new Set(from.map((past) => past.nodeId).filter((past) => past !== nodeId))
  // A node that succeeds itself adds nobody and removes nobody.
  if (leaving.size === 0) return []
  return [
    {
      partitionIndex: index,
      replicas: [nodeId, ...leaving],
      addingReplicas: [nodeId],
      removingReplicas: [...leaving],
    },
  ]
}
