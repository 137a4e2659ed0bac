import type { OffsetCommitValue } from '../protocol/messages/group-records.ts'
import { ZERO_UUID } from '../protocol/schema.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { GroupError } from './group-outcomes.ts'
import type { GroupRecord, OffsetRecord } from './group-records.ts'
import type { OffsetEntry } from './offset-store.ts'
import { renewSession } from './rebalance.ts'
import type { Shard } from './shard.ts'

/** What clients ask about committed offsets, at the coordinator that has them. */

export interface CommitRequest {
  readonly groupId: string
  readonly memberId: string
  readonly instanceId: string | null
  /** Below zero: from somebody who is in no group, such as a tool. */
  readonly generation: number
  /** The client can be told that there is no such group (OffsetCommit v9). */
  readonly knowsGroupNotFound: boolean
}

export type Commit = Omit<OffsetRecord, 'type' | 'groupId'>

/** Why nothing may be committed, or null. Somebody who is in no group may commit to an empty one. */
function whyNotCommit(group: ClassicGroup | undefined, request: CommitRequest): GroupError | null {
  const { memberId, instanceId, generation, knowsGroupNotFound } = request
  if (group === undefined) {
    if (generation < 0) return null
    return knowsGroupNotFound ? 'group-not-found' : 'illegal-generation'
  }
  if (generation < 0 && group.state === 'Empty') return null
  const refusal = group.whyNotMember(memberId, instanceId)
  if (refusal !== null) return refusal
  if (generation !== group.generation) return 'illegal-generation'
  return group.state === 'CompletingRebalance' ? 'rebalance-in-progress' : null
}

/** Commits offsets. `done` is told once they are durable, or why they never will be. */
export function commitOffsets(
  shard: Shard,
  request: CommitRequest,
  commits: readonly Commit[],
  done: (error: GroupError | null) => void,
): void {
  const { groupId, memberId } = request
  if (!shard.isActive) {
    done('not-coordinator')
    return
  }
  const refusal = whyNotCommit(shard.groups.get(groupId), request)
  if (refusal !== null) {
    done(refusal)
    return
  }
  const group = shard.groupOf(groupId)
  const member = group.members.get(memberId)
  if (member !== undefined) renewSession(member)
  if (commits.length === 0) done(null)
  else
    shard.log.append(
      commits.map((commit) => ({ type: 'offset', groupId, ...commit })),
      done,
    )
  shard.forgetIfVoid(group)
}

/** The offset a client sees; null: none. `topicId` is the topic's id now, if it has one. */
export function committedOffset(
  shard: Shard,
  groupId: string,
  at: { topic: string; topicId: string | undefined; partition: number },
): OffsetCommitValue | null {
  const value = shard.offsets.get(groupId, at.topic, at.partition, shard.durableEnd)
  return value !== null && isOf(value, at.topicId) ? value : null
}

/** A topic may have been deleted and made anew: what was committed before is not of this one. */
export function isOf(value: OffsetCommitValue, topicId: string | undefined): boolean {
  return topicId === undefined || value.topicId === ZERO_UUID || value.topicId === topicId
}

/** All offsets of a group that a client sees. */
export function committedOffsets(shard: Shard, groupId: string): OffsetEntry[] {
  return [...shard.offsets.of(groupId, shard.durableEnd)]
}

/** Tombstones for all offsets of a group, also for those whose deletion is not durable yet. */
export function deletionRecords(shard: Shard, groupId: string): GroupRecord[] {
  const known = [...shard.offsets.knownOf(groupId)]
  return known.map(({ topic, partition }) => tombstone(groupId, topic, partition))
}

function tombstone(groupId: string, topic: string, partition: number): GroupRecord {
  return { type: 'offset', groupId, topic, partition, value: null }
}

/** Why offsets of the group cannot be deleted at all, or null. */
export function whyNotDeleteOffsets(shard: Shard, groupId: string): GroupError | null {
  if (!shard.isActive) return 'not-coordinator'
  const group = shard.groups.get(groupId)
  if (group === undefined) return 'group-not-found'
  return group.state === 'Empty' || group.isOfConsumers ? null : 'group-not-empty'
}

/**
 * Deletes offsets; those that are not there need nothing. One whose deletion is not durable yet is
 * deleted again, so that nobody is told of it too early. Ask {@link whyNotDeleteOffsets} first. */
export function deleteOffsets(
  shard: Shard,
  groupId: string,
  partitions: readonly { topic: string; partition: number }[],
  done: (error: GroupError | null) => void,
): void {
  const records: GroupRecord[] = []
  for (const { topic, partition } of partitions) {
    if (shard.offsets.isKnown(groupId, topic, partition))
      records.push(tombstone(groupId, topic, partition))
  }
  shard.appendAll(records, (error) => {
    const group = shard.groups.get(groupId)
    if (group !== undefined) shard.forgetIfVoid(group)
    done(error)
  })
}
