import type { Partition } from '../partition/partition.ts'
import type {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../protocol/messages/describe-log-dirs.ts'
import { answering, type Broker, findTopic } from './context.ts'

type Topic = DescribeLogDirsResponse['results'][number]['topics'][number]

/**
 * The name that Kafka's tools have for "whichever folder": what kafka-reassign-partitions prints
 * for a rollback can then be given back to it, without a wish to move data between folders.
 */
const LOG_DIR = 'any'

/**
 * DescribeLogDirs: v1-5.
 *
 * Differs from Kafka: a broker has no folders. It tells of one, with the partitions that it owns;
 * their sizes are those of their data in the bucket, and the bucket has no size.
 *
 * v3: a top-level error. v4: KIP-827, the volume's size. v5: KIP-1066, cordoned folders.
 */
export const handleDescribeLogDirs = answering(
  (broker: Broker, body: DescribeLogDirsRequest): DescribeLogDirsResponse => {
    const byTopic = new Map<string, Topic['partitions'][number][]>()
    for (const partition of askedFor(broker, body)) {
      if (partition.state === null) continue
      const name = broker.node.image.topics.get(partition.topicId)?.name
      if (name === undefined) continue
      const described = {
        partitionIndex: partition.index,
        partitionSize: partition.state.runs.sizeBytes,
        offsetLag: partition.nextOffset - partition.highWatermark,
        isFutureKey: false,
      }
      const partitions = byTopic.get(name)
      if (partitions === undefined) byTopic.set(name, [described])
      else partitions.push(described)
    }
    const topics = [...byTopic].map(([name, partitions]): Topic => ({ name, partitions }))
    return { errorCode: 0, results: [{ errorCode: 0, logDir: LOG_DIR, topics }] }
  },
)

function askedFor(broker: Broker, { topics }: DescribeLogDirsRequest): Iterable<Partition> {
  const { node } = broker
  if (topics === null) return node.partitions.all()
  const asked = new Set<Partition>()
  for (const { topic: name, partitions } of topics) {
    const topicId = findTopic(node.image, { name })?.topicId ?? ''
    for (const index of partitions) {
      const partition = node.partitions.get(topicId, index)
      if (partition !== undefined) asked.add(partition)
    }
  }
  return asked
}
