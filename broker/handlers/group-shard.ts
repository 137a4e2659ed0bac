import type { TopicEntry } from '../../metadata/image.ts'
import type { Ownership } from '../../metadata/records.ts'
import {
  type GroupCoordinator,
  OFFSETS_TOPIC,
  offsetsPartitionOf,
} from '../coordinator/group-coordinator.ts'
import type { GroupError } from '../coordinator/group-outcomes.ts'
import type { Shard } from '../coordinator/shard.ts'
import type { Partition } from '../partition/partition.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import { type Broker, codeOf, findTopic } from './context.ts'
import { leadershipOf, RECENT_MS, whenSettled } from './leadership.ts'

/** A request that comes before the groups are loaded waits this long for them, at most. */
const LOAD_WAIT_MS = 5_000

/** A group's errors in Kafka's words. */
const ERROR_OF_GROUP = {
  'not-coordinator': 'NOT_COORDINATOR',
  'inconsistent-protocol': 'INCONSISTENT_GROUP_PROTOCOL',
  'unknown-member': 'UNKNOWN_MEMBER_ID',
  'illegal-generation': 'ILLEGAL_GENERATION',
  'rebalance-in-progress': 'REBALANCE_IN_PROGRESS',
  'fenced-instance': 'FENCED_INSTANCE_ID',
  'member-id-required': 'MEMBER_ID_REQUIRED',
  'group-full': 'GROUP_MAX_SIZE_REACHED',
  'group-not-found': 'GROUP_ID_NOT_FOUND',
  'group-not-empty': 'NON_EMPTY_GROUP',
  'too-large': 'UNKNOWN_SERVER_ERROR',
} as const satisfies Record<GroupError, ErrorName>

/** The numeric code of a group's error; 0 for null. */
export function groupCode(error: GroupError | null): number {
  return codeOf(error === null ? null : ERROR_OF_GROUP[error])
}

/** The ownership of the partition that a group belongs to; `topic`: the one of offsets. */
export function ownershipFor(topic: TopicEntry, groupId: string): Ownership | undefined {
  return topic.partitions[offsetsPartitionOf(groupId, topic.partitions.length)]
}

/**
 * Resolves with the groups that `groupId` is among, if this node is their coordinator and they are
 * loaded, or with the error that says why not. Waits, within bounds, where the answer is near: the
 * shard may have ended when the promise is told, so each use of it asks `isActive` again.
 */
export async function shardFor(broker: Broker, groupId: string): Promise<Shard | ErrorName> {
  const topic = await offsetsTopic(broker)
  if (topic === undefined) return 'NOT_COORDINATOR'
  const { topicId } = topic
  const index = offsetsPartitionOf(groupId, topic.partitions.length)
  await new Promise<void>((resolve) => whenSettled(broker, [{ topicId, index }], resolve))
  const leadership = leadershipOf(broker, topicId, index)
  if (leadership.kind === 'opening') return 'COORDINATOR_LOAD_IN_PROGRESS'
  if (leadership.kind !== 'here') return 'NOT_COORDINATOR'
  return loadedShard(broker, leadership.partition)
}

async function loadedShard(broker: Broker, partition: Partition): Promise<Shard | ErrorName> {
  const shard = broker.groups.shardOf(partition)
  if (shard === undefined) return 'COORDINATOR_LOAD_IN_PROGRESS'
  if (shard.phase === 'loading') await whenLoaded(broker, shard)
  if (shard.isActive) return shard
  return shard.phase === 'loading' ? 'COORDINATOR_LOAD_IN_PROGRESS' : 'NOT_COORDINATOR'
}

function whenLoaded(broker: Broker, shard: Shard): Promise<void> {
  return new Promise((resolve) => {
    const timer = broker.clock.after(LOAD_WAIT_MS, resolve)
    shard.whenLoaded(() => {
      timer.cancel()
      resolve()
    })
  })
}

async function offsetsTopic(broker: Broker) {
  const find = () => findTopic(broker.node.image, { name: OFFSETS_TOPIC })
  const known = find()
  if (known !== undefined) return known
  const { log, clock } = broker.node
  if (clock.nowMs() - log.headConfirmedAtMs > RECENT_MS) {
    await log.catchUp().catch(() => undefined)
  }
  return find()
}

/** Resolves with all groups of this node, or with an error while some of them are being loaded. */
export async function allShards(broker: Broker): Promise<Shard[] | ErrorName> {
  const topic = findTopic(broker.node.image, { name: OFFSETS_TOPIC })
  if (topic === undefined) return []
  const { topicId } = topic
  const addresses: { topicId: string; index: number }[] = []
  for (const [index, { nodeId }] of topic.partitions.entries()) {
    if (nodeId === broker.node.nodeId) addresses.push({ topicId, index })
  }
  await new Promise<void>((resolve) => whenSettled(broker, addresses, resolve))
  const shards = [...broker.groups.all()]
  await Promise.all(shards.map((shard) => whenLoaded(broker, shard)))
  const isLoading = addresses.some(({ index }) => {
    const partition = broker.node.partitions.get(topicId, index)
    return partition?.phase === 'opening' || isLoadingShard(broker.groups, partition)
  })
  if (isLoading) return 'COORDINATOR_LOAD_IN_PROGRESS'
  return [...broker.groups.all()].filter((shard) => shard.isActive)
}

function isLoadingShard(groups: GroupCoordinator, partition: Partition | undefined): boolean {
  return partition !== undefined && groups.shardOf(partition)?.phase === 'loading'
}
