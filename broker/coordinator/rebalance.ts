import { assert, present } from '../../base/assert.ts'
import { ClassicGroup } from './classic-group.ts'
import type { GroupHost } from './group-host.ts'
import { type GroupError, type JoinOutcome, joinRefused, syncRefused } from './group-outcomes.ts'
import { groupValue } from './group-value.ts'
import { type Member, NO_ASSIGNMENT } from './member.ts'

/**
 * What happens to a group over time, as in Kafka's classic protocol:
 *
 *   Empty → PreparingRebalance: members join, until all are there or the rebalance time-out ends
 *         → CompletingRebalance: the leader assigns, members wait for it in their SyncGroup
 *         → Stable, until somebody joins, leaves, or is silent for longer than its session
 */

/** A group without anything. `stateSinceMs` in milliseconds since 1970; -1: unknown. */
export function newGroup(host: GroupHost, groupId: string, stateSinceMs: number): ClassicGroup {
  const group: ClassicGroup = new ClassicGroup(groupId, stateSinceMs, {
    join: host.deadline(() => joinPhaseDue(host, group)),
    sync: host.deadline(() => syncPhaseDue(host, group)),
  })
  return group
}

/** Ends a group at this coordinator: everybody who waits is told why, and no deadline is left. */
export function endGroup(group: ClassicGroup, error: GroupError, wallMs: number): void {
  group.deadlines.join.cancel()
  group.deadlines.sync.cancel()
  for (const deadline of group.pendingJoins.values()) deadline.cancel()
  group.pendingJoins.clear()
  for (const member of group.members.values()) {
    member.session.cancel()
    group.answerJoin(member, joinRefused(error, member.memberId))
    member.answerSync(syncRefused(error))
  }
  group.transition('Dead', wallMs)
}

/** Whatever the member did shows that it lives. */
export function renewSession(member: Member): void {
  member.session.set(member.sessionMs)
}

/** Something changed that asks for a new generation; if one is being made, it may be complete. */
export function rebalance(host: GroupHost, group: ClassicGroup, reason: string): void {
  if (group.state === 'PreparingRebalance') completeJoinIfDue(host, group)
  else if (group.state !== 'Dead') prepareRebalance(host, group, reason)
}

/** Asks all members to join anew. The group must not be asking them already. */
export function prepareRebalance(host: GroupHost, group: ClassicGroup, reason: string): void {
  if (group.state === 'CompletingRebalance') propagate(group, 'rebalance-in-progress')
  const { join, sync } = group.deadlines
  group.pendingSyncs.clear()
  sync.cancel()
  const isInitial = group.state === 'Empty'
  const { groupId, generation, state } = group
  group.transition('PreparingRebalance', host.clock.wallMs())
  host.logger.info('a group rebalances', { group: groupId, generation, state, reason })
  if (isInitial) {
    // Members of a new group come one after the other: one rebalance for all of them is enough.
    const delayMs = host.settings.initialRebalanceDelayMs
    group.hasNewMember = false
    group.initialRemainingMs = Math.max(group.rebalanceMs - delayMs, 0)
    join.set(delayMs)
    return
  }
  group.initialRemainingMs = null
  if (group.hasAllJoined) completeJoin(host, group)
  else join.set(group.rebalanceMs)
}

/** All members are there, and it is not the initial rebalance, which waits for more to come. */
export function completeJoinIfDue(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance' || group.initialRemainingMs !== null) return
  if (group.hasAllJoined) completeJoin(host, group)
}

function joinPhaseDue(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance') return
  const remainingMs = group.initialRemainingMs ?? 0
  if (group.hasNewMember && remainingMs > 0) {
    const delayMs = Math.min(host.settings.initialRebalanceDelayMs, remainingMs)
    group.hasNewMember = false
    group.initialRemainingMs = remainingMs - delayMs
    group.deadlines.join.set(delayMs)
    return
  }
  completeJoin(host, group)
}

/** Begins the next generation with those who have joined, and tells them. */
function completeJoin(host: GroupHost, group: ClassicGroup): void {
  const { join, sync } = group.deadlines
  join.cancel()
  for (const member of [...group.members.values()]) {
    // Static members keep their place until their session ends, joined or not (KIP-345).
    if (!member.awaitsJoin && member.instanceId === null) group.remove(member.memberId)
  }
  if (!group.electJoinedLeader() && group.members.size > 0) {
    // Only static members are left, and none of them came: their sessions decide.
    join.set(group.rebalanceMs)
    return
  }
  group.initialRemainingMs = null
  group.beginGeneration(host.clock.wallMs())
  const { groupId, generation } = group
  host.logger.info('a group has a new generation', {
    group: groupId,
    generation,
    members: group.members.size,
    protocol: group.protocolName,
  })
  if (group.members.size === 0) {
    // If this is lost, the generation before comes back, and its members are found to be gone.
    host.save(group, groupValue(group), () => undefined)
    return
  }
  for (const member of group.members.values()) {
    group.answerJoin(member, joinedOutcome(group, member))
    member.isNew = false
    group.pendingSyncs.add(member.memberId)
    renewSession(member)
  }
  sync.set(group.rebalanceMs)
}

/** What a member is told of the generation that it is part of. */
export function joinedOutcome(group: ClassicGroup, member: Member): JoinOutcome {
  const { memberId } = member
  return {
    error: null,
    memberId,
    generation: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leaderId: group.leaderId ?? '',
    skipAssignment: false,
    members: group.leaderId === memberId ? group.joinedMembers() : [],
  }
}

/** Members that heard of the generation but never asked for their assignment are gone. */
function syncPhaseDue(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return
  if (group.pendingSyncs.size === 0) return
  const silent = [...group.pendingSyncs]
  for (const memberId of silent) group.remove(memberId)
  prepareRebalance(host, group, `no SyncGroup came from ${silent.join(', ')}`)
}

/** The member asked for its assignment. */
export function syncReceived(group: ClassicGroup, memberId: string): void {
  group.pendingSyncs.delete(memberId)
  if (group.pendingSyncs.size === 0) group.deadlines.sync.cancel()
}

/** Gives everybody the assignment that is durable now, and the group is stable. */
export function assign(
  host: GroupHost,
  group: ClassicGroup,
  assignments: ReadonlyMap<string, Buffer>,
): void {
  assert(group.state === 'CompletingRebalance', 'a generation gets its assignment once')
  for (const member of group.members.values()) {
    member.assignment = assignments.get(member.memberId) ?? NO_ASSIGNMENT
  }
  group.transition('Stable', host.clock.wallMs())
  propagate(group, null)
}

/** Answers all who wait for their assignment; with an error, there is none. */
export function propagate(group: ClassicGroup, error: GroupError | null): void {
  const { protocolType, protocolName } = group
  for (const member of group.members.values()) {
    if (error !== null) member.assignment = NO_ASSIGNMENT
    const answered = member.answerSync(
      error === null
        ? { error, protocolType, protocolName, assignment: member.assignment }
        : syncRefused(error),
    )
    // While it waited, the end of its session did not count.
    if (answered) renewSession(member)
  }
}

/** A member was silent for longer than its session, or never joined with the id it was given. */
export function expireSession(host: GroupHost, group: ClassicGroup, memberId: string): void {
  if (group.state === 'Dead') return
  const { groupId } = group
  if (group.pendingJoins.has(memberId)) {
    host.logger.info('a member never joined', { group: groupId, member: memberId })
    group.remove(memberId)
    if (group.state === 'PreparingRebalance' && group.hasAllJoined) completeJoin(host, group)
    else host.forgetIfVoid(group)
    return
  }
  const member = group.members.get(memberId)
  if (member === undefined) return
  // Who waits for us cannot send heartbeats; but a new one waits only so long.
  if (!member.isNew && (member.awaitsJoin || member.awaitsSync)) return
  host.logger.info('a member is silent and is removed', { group: groupId, member: memberId })
  removeMember(host, group, memberId, `member ${memberId} sends no heartbeats`)
}

function removeMember(
  host: GroupHost,
  group: ClassicGroup,
  memberId: string,
  reason: string,
): void {
  group.remove(present(group.members.get(memberId), 'the member').memberId)
  if (group.state !== 'PreparingRebalance') rebalance(host, group, reason)
  else if (group.hasAllJoined) completeJoin(host, group)
}
