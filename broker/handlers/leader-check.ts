import type { Partition } from '../partition/partition.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import { type Broker, findTopic } from './context.ts'
import { leadershipOf, whenSettled } from './leadership.ts'

/** A partition that is asked for by name, by a client that knows of `currentLeaderEpoch` (or -1). */
export interface Asked {
  readonly topic: string
  readonly index: number
  readonly currentLeaderEpoch: number
}

/**
 * The partition if it is open here and the client's leader epoch is right (KIP-320), or the error
 * that says why not. Ask after {@link settled}.
 */
export function ledPartition(broker: Broker, asked: Asked): Partition | ErrorName {
  const topic = findTopic(broker.node.image, { name: asked.topic })
  if (topic === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  const leadership = leadershipOf(broker, topic.topicId, asked.index)
  if (leadership.kind === 'unknown') return 'UNKNOWN_TOPIC_OR_PARTITION'
  if (leadership.kind !== 'here') return 'NOT_LEADER_OR_FOLLOWER'
  const { partition } = leadership
  const { currentLeaderEpoch } = asked
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === partition.leaderEpoch) return partition
  return currentLeaderEpoch < partition.leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
}

/** Resolves once it is known who has the partitions that are asked for, or time is up. */
export function settled(broker: Broker, asked: readonly Asked[]): Promise<void> {
  const addresses: { topicId: string; index: number }[] = []
  for (const { topic, index } of asked) {
    const entry = findTopic(broker.node.image, { name: topic })
    // A topic that nobody knows is nothing to wait for.
    if (entry !== undefined) addresses.push({ topicId: entry.topicId, index })
  }
  return new Promise((resolve) => whenSettled(broker, addresses, resolve))
}
