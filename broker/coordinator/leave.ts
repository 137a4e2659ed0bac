import type { ClassicGroup } from './classic-group.ts'
import type { GroupHost } from './group-host.ts'
import type { GroupError } from './group-outcomes.ts'
import { rebalance, renewSession } from './rebalance.ts'

/** A member of a request to leave. With an instance id alone an administrator removes a member. */
export interface Leaving {
  readonly memberId: string
  readonly instanceId: string | null
  readonly reason: string | null
}

/** Heartbeat: puts the end of the member's session off. Returns why it should do something else. */
export function heartbeat(
  group: ClassicGroup,
  request: { memberId: string; instanceId: string | null; generation: number },
): GroupError | null {
  const { memberId, instanceId, generation } = request
  const refusal = group.whyNotMember(memberId, instanceId)
  if (refusal !== null) return refusal
  if (generation !== group.generation) return 'illegal-generation'
  const member = group.members.get(memberId)
  if (member !== undefined) renewSession(member)
  return group.state === 'PreparingRebalance' ? 'rebalance-in-progress' : null
}

/** LeaveGroup: takes members out and returns, for each, why not. */
export function leave(
  host: GroupHost,
  group: ClassicGroup,
  leaving: readonly Leaving[],
): (GroupError | null)[] {
  const left: string[] = []
  const outcomes = leaving.map((each) => {
    const memberId = leavingId(group, each)
    if (memberId.error !== null) return memberId.error
    host.logger.info('a member leaves', {
      group: group.groupId,
      member: memberId.id,
      reason: each.reason ?? 'not given',
    })
    group.remove(memberId.id)
    left.push(memberId.id)
    return null
  })
  if (left.length === 0) return outcomes
  if (group.state !== 'Empty') rebalance(host, group, `${left.join(', ')} left`)
  host.forgetIfVoid(group)
  return outcomes
}

function leavingId(
  group: ClassicGroup,
  { memberId, instanceId }: Leaving,
): { error: null; id: string } | { error: GroupError } {
  if (memberId === '') {
    const id = instanceId === null ? undefined : group.staticMembers.get(instanceId)
    return id === undefined ? { error: 'unknown-member' } : { error: null, id }
  }
  if (group.pendingJoins.has(memberId)) return { error: null, id: memberId }
  const error = group.whyNotMember(memberId, instanceId)
  return error === null ? { error: null, id: memberId } : { error }
}
