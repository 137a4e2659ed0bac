import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import { listOf } from '../config/config-definition.ts'
import { effectiveValue } from '../config/topic-config.ts'
import { present } from '../../base/assert.ts'
import type { Partition } from '../partition/partition.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../protocol/messages/delete-records.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'
import { type Asked, ledPartition, settled } from './leader-check.ts'
import { isInternalTopic } from './topic-names.ts'

type Answer = DeleteRecordsResponse['topics'][number]['partitions'][number]
type AskedStart = Asked & { readonly offset: number }

/** In a request: everything up to the high watermark. */
const HIGH_WATERMARK = -1

/**
 * DeleteRecords: v0-2 (KIP-107).
 *
 * The answer comes when the new log start is durable: a broker that is killed afterwards does not
 * bring the records back. Their bytes are collected from the bucket later. `timeoutMs` is not looked
 * at. Of one partition that is named twice both wishes count.
 */
export const handleDeleteRecords = answering(
  async (broker: Broker, body: DeleteRecordsRequest): Promise<DeleteRecordsResponse> => {
    const topics = body.topics.map(({ name, partitions }) => {
      return partitions.map(({ partitionIndex: index, offset }): AskedStart => {
        return { topic: name, index, currentLeaderEpoch: -1, offset }
      })
    })
    await settled(broker, topics.flat())
    const answers = topics.map((asked) => asked.map((each) => deleteOne(broker, each)))
    return {
      topics: await Promise.all(
        body.topics.map(async ({ name }, at) => {
          return { name, partitions: await Promise.all(answers[at] ?? []) }
        }),
      ),
    }
  },
)

function refused({ index }: AskedStart, error: ErrorName): Answer {
  return { partitionIndex: index, lowWatermark: -1, errorCode: codeOf(error) }
}

/** Kafka's rule: only what a topic may lose by age can be deleted by hand. */
function whyNotDeletable(broker: Broker, name: string): ErrorName | null {
  if (isInternalTopic(name)) return 'INVALID_TOPIC_EXCEPTION'
  const topic = findTopic(broker.node.image, { name })
  if (topic === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  const definition = present(TOPIC_CONFIGS.get('cleanup.policy'), 'the config cleanup.policy')
  const policies = listOf(effectiveValue(broker.config, topic.configs, definition).value)
  return policies.includes('delete') ? null : 'POLICY_VIOLATION'
}

function deleteOne(broker: Broker, asked: AskedStart): Answer | Promise<Answer> {
  const partition = ledPartition(broker, asked)
  if (typeof partition === 'string') return refused(asked, partition)
  const error = whyNotDeletable(broker, asked.topic)
  if (error !== null) return refused(asked, error)
  const offset = asked.offset === HIGH_WATERMARK ? partition.highWatermark : asked.offset
  if (offset < 0 || offset > partition.highWatermark) return refused(asked, 'OFFSET_OUT_OF_RANGE')
  return deleted(asked, partition, offset)
}

function deleted(asked: AskedStart, partition: Partition, offset: number): Promise<Answer> {
  return new Promise((resolve) => {
    partition.deleteBefore(offset, (isDone) => {
      const { index: partitionIndex } = asked
      const done = { partitionIndex, lowWatermark: partition.logStartOffset, errorCode: 0 }
      resolve(isDone ? done : refused(asked, 'NOT_LEADER_OR_FOLLOWER'))
    })
  })
}
