import {
  deleteOffsets as deleteCommitted,
  whyNotDeleteOffsets,
} from '../coordinator/offset-requests.ts'
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
} from '../protocol/messages/offset-delete.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'
import { type Asker, withOthers } from './pass-on.ts'

/** OffsetDelete: v0 (KIP-496). Answers when the deletion is durable. */
export async function deleteOffsets(
  broker: Broker,
  body: OffsetDeleteRequest,
  asker: Asker,
): Promise<OffsetDeleteResponse> {
  const { groupId } = body
  const here = { groupId, ...(await deleteHere(broker, body)) }
  const [answer = here] = await withOthers(broker, asker, [here], {
    about: () => body,
    answersIn: (response: OffsetDeleteResponse) => [{ groupId, ...response }],
  })
  const { errorCode, topics } = answer
  return { errorCode, topics }
}

export const handleOffsetDelete = answering(deleteOffsets)

async function deleteHere(
  broker: Broker,
  body: OffsetDeleteRequest,
): Promise<OffsetDeleteResponse> {
  const { groupId } = body
  if (groupId === '') return failed(codeOf('INVALID_GROUP_ID'))
  const shard = await shardFor(broker, groupId)
  if (typeof shard === 'string') return failed(codeOf(shard))
  const refusal = whyNotDeleteOffsets(shard, groupId)
  if (refusal !== null) return failed(groupCode(refusal))
  const group = shard.groups.get(groupId)
  const isSubscribed = (topic: string): boolean => group?.subscribesTo(topic) ?? false
  const deleted: { topic: string; partition: number }[] = []
  const topics = body.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => {
      const error = whyNotPartition(broker, name, partitionIndex, isSubscribed(name))
      if (error === null) deleted.push({ topic: name, partition: partitionIndex })
      return { partitionIndex, errorCode: codeOf(error) }
    }),
  }))
  return new Promise((resolve) => {
    deleteCommitted(shard, groupId, deleted, (error) => {
      resolve(error === null ? { errorCode: 0, topics } : failed(groupCode(error)))
    })
  })
}

function whyNotPartition(
  broker: Broker,
  name: string,
  index: number,
  isSubscribed: boolean,
): ErrorName | null {
  const topic = findTopic(broker.node.image, { name })
  if (topic?.partitions[index] === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return isSubscribed ? 'GROUP_SUBSCRIBED_TO_TOPIC' : null
}

function failed(errorCode: number): OffsetDeleteResponse {
  return { errorCode, topics: [] }
}
