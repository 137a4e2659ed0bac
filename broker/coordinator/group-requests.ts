import type { ClassicGroup, GroupState } from './classic-group.ts'
import {
  type GroupError,
  type JoinAnswer,
  type JoinRequest,
  joinRefused,
  type SyncAnswer,
  type SyncRequest,
  syncRefused,
} from './group-outcomes.ts'
import { join } from './join.ts'
import { heartbeat, type Leaving, leave } from './leave.ts'
import { deletionRecords } from './offset-requests.ts'
import { endGroup } from './rebalance.ts'
import type { Shard } from './shard.ts'
import { sync } from './sync.ts'

/** What clients ask of a group, at the coordinator that has it. */

export function joinGroup(shard: Shard, request: JoinRequest, answer: JoinAnswer): void {
  const { groupId, memberId } = request
  if (!shard.isActive) answer(joinRefused('not-coordinator', memberId))
  else if (memberId !== '' && !shard.groups.has(groupId)) {
    answer(joinRefused('unknown-member', memberId))
  } else join(shard, shard.groupOf(groupId), request, answer)
}

export function syncGroup(shard: Shard, request: SyncRequest, answer: SyncAnswer): void {
  const group = shard.groups.get(request.groupId)
  if (!shard.isActive) answer(syncRefused('not-coordinator'))
  else if (group === undefined) answer(syncRefused('unknown-member'))
  else sync(shard, group, request, answer)
}

export function heartbeatOf(
  shard: Shard,
  request: { groupId: string; memberId: string; instanceId: string | null; generation: number },
): GroupError | null {
  if (!shard.isActive) return 'not-coordinator'
  const group = shard.groups.get(request.groupId)
  return group === undefined ? 'unknown-member' : heartbeat(group, request)
}

/** For each member why it cannot leave, or one error for the whole request. */
export function leaveGroup(
  shard: Shard,
  groupId: string,
  leaving: readonly Leaving[],
): GroupError | (GroupError | null)[] {
  if (!shard.isActive) return 'not-coordinator'
  const group = shard.groups.get(groupId)
  if (group === undefined) return leaving.map(() => 'unknown-member')
  return leave(shard, group, leaving)
}

/** The groups in one of these states; an empty set stands for all states. In lower case. */
export function groupsIn(shard: Shard, states: ReadonlySet<string>): ClassicGroup[] {
  const inState = (state: GroupState): boolean =>
    states.size === 0 || states.has(state.toLowerCase())
  return [...shard.groups.values()].filter(({ state }) => inState(state))
}

/** Deletes a group that has no members, with its offsets. `done` is told once that is durable. */
export function deleteGroup(
  shard: Shard,
  groupId: string,
  done: (error: GroupError | null) => void,
): void {
  const group = shard.groups.get(groupId)
  if (!shard.isActive) done('not-coordinator')
  else if (group === undefined) done('group-not-found')
  else if (group.state !== 'Empty') done('group-not-empty')
  else dropGroup(shard, group, done)
}

/** Removes a group from memory and from the log. */
export function dropGroup(
  shard: Shard,
  group: ClassicGroup,
  done: (error: GroupError | null) => void,
): void {
  const { groupId } = group
  const records = deletionRecords(shard, groupId)
  if (group.saved !== null) records.push({ type: 'group', groupId, value: null })
  shard.appendAll(records, done)
  shard.groups.delete(groupId)
  if (group.state !== 'Dead') endGroup(group, 'unknown-member', shard.clock.wallMs())
}
