import { ownershipOf } from '../../metadata/image.ts'
import type {
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '../protocol/messages/elect-leaders.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'

type TopicResult = ElectLeadersResponse['replicaElectionResults'][number]
type PartitionResult = TopicResult['partitionResult'][number]

/**
 * ElectLeaders: v0-2 (KIP-183, KIP-460).
 *
 * Differs from Kafka: a partition has one replica, its owner, so that no election is ever needed;
 * every partition that is named gets that answer, which tools take for success. Without names the
 * list is empty, as in Kafka when there is nothing to elect. Partitions are moved between brokers by
 * the controller, or by AlterPartitionReassignments.
 */
export const handleElectLeaders = answering(
  (broker: Broker, body: ElectLeadersRequest): ElectLeadersResponse => ({
    errorCode: 0,
    replicaElectionResults: (body.topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partition) => resultOf(broker, topic, partition)),
    })),
  }),
)

function resultOf(broker: Broker, topic: string, partitionId: number): PartitionResult {
  const { image } = broker.node
  const topicId = findTopic(image, { name: topic })?.topicId ?? ''
  if (ownershipOf(image, topicId, partitionId) === undefined) {
    const errorMessage = `No such topic as ${topic}, or no partition ${partitionId} of it.`
    return { partitionId, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), errorMessage }
  }
  const errorMessage = 'The owner of a partition is its only replica.'
  return { partitionId, errorCode: codeOf('ELECTION_NOT_NEEDED'), errorMessage }
}
