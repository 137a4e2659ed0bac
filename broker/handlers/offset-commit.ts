import type { TopicEntry } from '../../metadata/image.ts'
import { type Commit, commitOffsets } from '../coordinator/offset-requests.ts'
import type { Shard } from '../coordinator/shard.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
} from '../protocol/messages/offset-commit.ts'
import type { Request } from '../request.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'

const FIRST_VERSION_OF_GROUP_NOT_FOUND = 9
const FIRST_VERSION_OF_TOPIC_IDS = 10
/** Kafka's word for a time that is not given. */
const NO_TIME = -1

type Asked = OffsetCommitRequest['topics'][number]

/** A partition of the request. Without an error it goes to the group, which decides on all alike. */
interface Part {
  readonly partitionIndex: number
  errorCode: number
  /** Null: it may not be committed whatever the group says. */
  readonly commit: Commit | null
}

/**
 * OffsetCommit: v2-10. Answers when the offsets are durable.
 *
 * v2-4: a retention time. v6: KIP-320, leader epochs. v7: KIP-345, static members. v9: KIP-848,
 * GROUP_ID_NOT_FOUND. v10: topic ids instead of names.
 */
export const handleOffsetCommit = answering(
  async (
    broker: Broker,
    body: OffsetCommitRequest,
    request: Request,
  ): Promise<OffsetCommitResponse> => {
    if (body.topics.length === 0) return { topics: [] }
    const shard = await shardFor(broker, body.groupId)
    // From here to the append nothing waits: a topic that is deleted meanwhile has its offsets
    // removed once, and nothing may come behind that.
    const topics = body.topics.map((asked) => ({
      name: asked.name,
      topicId: asked.topicId,
      partitions: partsOf(broker, body, asked, request.version),
    }))
    const parts = topics.flatMap(({ partitions }) => partitions)
    const accepted = parts.filter(({ errorCode }) => errorCode === 0)
    if (accepted.length === 0) return { topics }
    const code = await commit(shard, body, request.version, accepted)
    for (const part of accepted) {
      part.errorCode = code
      if (code === 0 && part.commit === null) part.errorCode = codeOf('OFFSET_METADATA_TOO_LARGE')
    }
    return { topics }
  },
)

function partsOf(broker: Broker, body: OffsetCommitRequest, asked: Asked, version: number): Part[] {
  const topic = findTopic(broker.node.image, asked)
  const isById = version >= FIRST_VERSION_OF_TOPIC_IDS
  const unknown: ErrorName = isById && !topic ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'
  return asked.partitions.map((partition) => {
    const { partitionIndex } = partition
    if (topic?.partitions[partitionIndex] === undefined) {
      return { partitionIndex, errorCode: codeOf(unknown), commit: null }
    }
    return { partitionIndex, errorCode: 0, commit: commitOf(broker, body, topic, partition) }
  })
}

function commitOf(
  broker: Broker,
  { retentionTimeMs }: OffsetCommitRequest,
  { name: topic, topicId }: TopicEntry,
  partition: Asked['partitions'][number],
): Commit | null {
  const metadata = partition.committedMetadata ?? ''
  if (metadata.length > broker.groups.settings.metadataLengthMax) return null
  const nowMs = broker.clock.wallMs()
  // A client may ask for nearly for ever, which is more than a number holds.
  const expireMs = Math.min(nowMs + retentionTimeMs, Number.MAX_SAFE_INTEGER)
  return {
    topic,
    partition: partition.partitionIndex,
    value: {
      offset: partition.committedOffset,
      leaderEpoch: partition.committedLeaderEpoch,
      metadata,
      commitTimestamp: nowMs,
      expireTimestamp: retentionTimeMs === NO_TIME ? NO_TIME : expireMs,
      topicId,
    },
  }
}

function commit(
  shard: Shard | ErrorName,
  body: OffsetCommitRequest,
  version: number,
  parts: readonly Part[],
): Promise<number> {
  if (typeof shard === 'string') return Promise.resolve(codeOf(shard))
  const asked = {
    groupId: body.groupId,
    memberId: body.memberId,
    instanceId: body.groupInstanceId,
    generation: body.generationIdOrMemberEpoch,
    knowsGroupNotFound: version >= FIRST_VERSION_OF_GROUP_NOT_FOUND,
  }
  const commits = parts.flatMap((part) => part.commit ?? [])
  return new Promise((resolve) => {
    commitOffsets(shard, asked, commits, (error) => resolve(groupCode(error)))
  })
}
