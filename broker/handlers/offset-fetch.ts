import { committedOffset, committedOffsets, isOf } from '../coordinator/offset-requests.ts'
import type { Shard } from '../coordinator/shard.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { OffsetCommitValue } from '../protocol/messages/group-records.ts'
import type { OffsetFetchRequest, OffsetFetchResponse } from '../protocol/messages/offset-fetch.ts'
import { answering, type Broker, codeOf, findTopic, ZERO_UUID } from './context.ts'
import { shardFor } from './group-shard.ts'
import { type Asker, picked, withOthers } from './pass-on.ts'

const FIRST_VERSION_OF_ERRORS = 2
const FIRST_VERSION_OF_GROUPS = 8
const FIRST_VERSION_OF_TOPIC_IDS = 10
const NO_OFFSET = -1

/** As in the versions of several groups; older ones ask the same of one group. */
type AskedGroup = Pick<OffsetFetchRequest['groups'][number], 'groupId'> & {
  readonly topics: readonly AskedTopic[] | null
}
interface AskedTopic {
  readonly name: string
  readonly topicId?: string
  readonly partitionIndexes: readonly number[]
}
type GroupAnswer = NonNullable<OffsetFetchResponse['groups']>[number]
type TopicAnswer = GroupAnswer['topics'][number]
type PartitionAnswer = TopicAnswer['partitions'][number]

/**
 * OffsetFetch: v1-10.
 *
 * Differs from Kafka: there are no transactions yet, so all durable offsets are stable.
 *
 * v2: null for all topics. v5: KIP-320, leader epochs. v7: KIP-447, stable offsets. v8: KIP-709,
 * several groups. v9: KIP-848, members, which matter in groups of the new protocol only. v10: topic ids.
 */
export async function fetchOffsets(
  broker: Broker,
  body: OffsetFetchRequest,
  asker: Asker,
): Promise<OffsetFetchResponse> {
  const { version } = asker
  if (version >= FIRST_VERSION_OF_GROUPS) {
    const here = body.groups.map((asked) => answerGroup(broker, asked, version))
    const groups = await withOthers(broker, asker, await Promise.all(here), {
      about: (places) => ({ ...body, groups: picked(body.groups, places) }),
      answersIn: (response: OffsetFetchResponse) => response.groups ?? [],
    })
    return { groups }
  }
  const { groupId } = body
  const here = await answerGroup(broker, body, version)
  const [answer = here] = await withOthers(broker, asker, [here], {
    about: () => body,
    answersIn: ({ errorCode = 0, topics = [] }: OffsetFetchResponse): GroupAnswer[] => [
      { groupId, errorCode, topics },
    ],
  })
  const { errorCode = 0, topics } = answer
  if (version >= FIRST_VERSION_OF_ERRORS || errorCode === 0) {
    return { errorCode, topics: topics.map((topic) => ({ ...topic, name: topic.name ?? '' })) }
  }
  // Version 1 has no place for an error but at each partition.
  return {
    topics: (body.topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((index) => ({ ...answerOf(index, null), errorCode })),
    })),
  }
}

export const handleOffsetFetch = answering(fetchOffsets)

async function answerGroup(
  broker: Broker,
  asked: AskedGroup,
  version: number,
): Promise<GroupAnswer> {
  const { groupId } = asked
  const shard = await shardFor(broker, groupId)
  if (typeof shard === 'string') return { groupId, topics: [], errorCode: codeOf(shard) }
  const topics =
    asked.topics === null
      ? allTopics(broker, shard, groupId, version)
      : asked.topics.map((topic) => answerTopic(broker, shard, groupId, topic, version))
  return { groupId, topics, errorCode: 0 }
}

function answerTopic(
  broker: Broker,
  shard: Shard,
  groupId: string,
  asked: AskedTopic,
  version: number,
): TopicAnswer {
  const { name, topicId, partitionIndexes } = asked
  const topic = findTopic(broker.node.image, asked)
  if (version >= FIRST_VERSION_OF_TOPIC_IDS && topic === undefined) {
    return { topicId, partitions: partitionIndexes.map(failed('UNKNOWN_TOPIC_ID')) }
  }
  const at = { topic: topic?.name ?? name, topicId: topic?.topicId }
  return {
    name,
    topicId,
    partitions: partitionIndexes.map((partition) => {
      return answerOf(partition, committedOffset(shard, groupId, { ...at, partition }))
    }),
  }
}

function allTopics(broker: Broker, shard: Shard, groupId: string, version: number): TopicAnswer[] {
  const { image } = broker.node
  const byTopic = new Map<string, PartitionAnswer[]>()
  for (const { topic, partition, value } of committedOffsets(shard, groupId)) {
    if (!isOf(value, image.topicIds.get(topic))) continue
    const partitions = byTopic.get(topic)
    if (partitions === undefined) byTopic.set(topic, [answerOf(partition, value)])
    else partitions.push(answerOf(partition, value))
  }
  const answers: TopicAnswer[] = []
  for (const [name, partitions] of byTopic) {
    const topicId = image.topicIds.get(name) ?? ZERO_UUID
    // By id, a topic without one cannot be told of.
    if (version >= FIRST_VERSION_OF_TOPIC_IDS && topicId === ZERO_UUID) continue
    answers.push({ name, topicId, partitions })
  }
  return answers
}

function answerOf(partitionIndex: number, value: OffsetCommitValue | null): PartitionAnswer {
  return {
    partitionIndex,
    committedOffset: value?.offset ?? NO_OFFSET,
    committedLeaderEpoch: value?.leaderEpoch ?? -1,
    metadata: value?.metadata ?? '',
    errorCode: 0,
  }
}

function failed(error: ErrorName): (partitionIndex: number) => PartitionAnswer {
  return (partitionIndex) => ({ ...answerOf(partitionIndex, null), errorCode: codeOf(error) })
}
