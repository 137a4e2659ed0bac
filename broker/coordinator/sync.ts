import { present } from '../../base/assert.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { GroupHost } from './group-host.ts'
import { groupValue } from './group-value.ts'
import {
  type GroupError,
  type SyncAnswer,
  type SyncRequest,
  syncRefused,
} from './group-outcomes.ts'
import type { Member } from './member.ts'
import { assign, propagate, rebalance, syncReceived } from './rebalance.ts'

/** SyncGroup: answers with the member's assignment once the leader has made it. */
export function sync(
  host: GroupHost,
  group: ClassicGroup,
  request: SyncRequest,
  answer: SyncAnswer,
): void {
  const refusal = whyNotSync(group, request)
  if (refusal !== null) {
    answer(syncRefused(refusal))
    return
  }
  const member = present(group.members.get(request.memberId), 'the member')
  syncReceived(group, member.memberId)
  const { protocolType, protocolName } = group
  if (group.state === 'Stable') {
    answer({ error: null, protocolType, protocolName, assignment: member.assignment })
    return
  }
  // An older one of the same member was given up by it.
  member.answerSync(syncRefused('rebalance-in-progress'))
  member.parkSync(answer)
  if (group.leaderId === member.memberId) saveAssignments(host, group, member, request)
}

function whyNotSync(group: ClassicGroup, request: SyncRequest): GroupError | null {
  const { memberId, instanceId, generation, protocolType, protocolName } = request
  // An empty group has no members, so everybody is unknown in it.
  const refusal = group.whyNotMember(memberId, instanceId)
  if (refusal !== null) return refusal
  if (generation !== group.generation) return 'illegal-generation'
  if (protocolType !== null && protocolType !== group.protocolType) return 'inconsistent-protocol'
  if (protocolName !== null && protocolName !== (group.protocolName ?? protocolName)) {
    return 'inconsistent-protocol'
  }
  return group.state === 'PreparingRebalance' ? 'rebalance-in-progress' : null
}

function saveAssignments(
  host: GroupHost,
  group: ClassicGroup,
  leader: Member,
  request: SyncRequest,
): void {
  const assignments = new Map<string, Buffer>()
  for (const { memberId, assignment } of request.assignments) assignments.set(memberId, assignment)
  const { generation, groupId } = group
  // Of two assignments the members would hear the first, and the log would say the second.
  if (group.savingGeneration === generation) return
  group.savingGeneration = generation
  host.save(group, groupValue(group, assignments), (error) => {
    if (group.savingGeneration === generation) group.savingGeneration = -1
    // Meanwhile somebody may have joined or left: what was assigned is worth nothing then.
    if (group.state !== 'CompletingRebalance' || group.generation !== generation) return
    if (error === null) {
      assign(host, group, assignments)
      return
    }
    host.logger.warn('the assignment of a group was not saved', { group: groupId, error })
    propagate(group, error)
    rebalance(host, group, `the assignment by ${leader.memberId} was not saved`)
  })
}
