import { present } from '../../base/assert.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { GroupHost } from './group-host.ts'
import { groupValue } from './group-value.ts'
import { type JoinAnswer, type JoinRequest, joinRefused } from './group-outcomes.ts'
import { Member } from './member.ts'
import {
  completeJoinIfDue,
  expireSession,
  joinedOutcome,
  prepareRebalance,
  rebalance,
  renewSession,
} from './rebalance.ts'

/**
 * A new member cannot send heartbeats before its first answer, and a client that gives up and tries
 * again leaves a member behind that nobody is: it is kept no longer than this.
 */
const NEW_MEMBER_MS = 5 * 60_000
/** Client ids may be long, and ids of members are sent around a lot. */
const ID_LENGTH_MAX = 255

/** JoinGroup: answers once the member is in a generation, or is refused. */
export function join(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  answer: JoinAnswer,
): void {
  const { memberId } = request
  if (!hasRoomFor(host, group, memberId)) {
    group.remove(memberId)
    answer(joinRefused('group-full', ''))
  } else if (!group.supports(request.protocolType, request.protocols)) {
    answer(joinRefused('inconsistent-protocol', memberId))
  } else if (memberId === '') joinAsNew(host, group, request, answer)
  else if (group.pendingJoins.has(memberId) && request.instanceId === null) {
    addMember(host, group, request, memberId, answer)
  } else joinAgain(host, group, request, answer)
  host.forgetIfVoid(group)
}

/**
 * Members that are there already are let in. While a group rebalances those count who have joined:
 * so the last ones to come are turned away when the bound was lowered.
 */
function hasRoomFor(host: GroupHost, group: ClassicGroup, memberId: string): boolean {
  const { membersMax } = host.settings
  const member = group.members.get(memberId)
  switch (group.state) {
    case 'Empty':
      return true
    case 'PreparingRebalance':
      return (member?.awaitsJoin ?? false) || group.awaitingJoinCount < membersMax
    default:
      return member !== undefined || group.members.size < membersMax
  }
}

function joinAsNew(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  answer: JoinAnswer,
): void {
  const { instanceId, clientId } = request
  const memberId = `${(instanceId ?? clientId).slice(0, ID_LENGTH_MAX)}-${host.uniqueId()}`
  if (instanceId !== null) {
    const known = group.staticMembers.get(instanceId)
    if (known === undefined) addMember(host, group, request, memberId, answer)
    else replaceStatic(host, group, request, { known, memberId }, answer)
    return
  }
  if (!request.knowsIdRequired) {
    addMember(host, group, request, memberId, answer)
    return
  }
  const patience = host.deadline(() => expireSession(host, group, memberId))
  patience.set(request.sessionMs)
  group.pendingJoins.set(memberId, patience)
  answer(joinRefused('member-id-required', memberId))
}

function makeMember(host: GroupHost, group: ClassicGroup, request: JoinRequest, memberId: string) {
  const { instanceId, clientId, clientHost } = request
  const session = host.deadline(() => expireSession(host, group, memberId))
  return new Member({ memberId, instanceId, clientId, clientHost }, session)
}

function addMember(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  memberId: string,
  answer: JoinAnswer,
): void {
  const member = makeMember(host, group, request, memberId)
  member.isNew = true
  member.sessionMs = request.sessionMs
  member.rebalanceMs = request.rebalanceMs
  member.protocols = request.protocols
  group.add(member, request.protocolType)
  group.parkJoin(member, answer)
  group.hasNewMember = true
  member.session.set(NEW_MEMBER_MS)
  rebalance(host, group, `member ${memberId} joins${becauseOf(request)}`)
}

function becauseOf({ reason }: JoinRequest): string {
  return reason === null || reason === '' ? '' : `; it says: ${reason}`
}

/** A member that has been told its id before. */
function joinAgain(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  answer: JoinAnswer,
): void {
  const { memberId, instanceId, protocols } = request
  const refusal = group.whyNotMember(memberId, instanceId)
  if (refusal !== null) {
    answer(joinRefused(refusal, memberId))
    return
  }
  const member = present(group.members.get(memberId), 'the member')
  const isSame = member.hasProtocols(protocols)
  const { state } = group
  // In a generation a join may be a repetition, whose first answer was lost. But a leader's join
  // asks for a rebalance: it knows of changes that the members' own metadata do not show.
  const isRepetition =
    isSame &&
    (state === 'CompletingRebalance' || (state === 'Stable' && group.leaderId !== memberId))
  if (isRepetition) {
    answer(joinedOutcome(group, member))
    return
  }
  update(group, member, request)
  group.parkJoin(member, answer)
  const what = isSame ? 'joins again' : 'changes its metadata'
  rebalance(host, group, `member ${memberId} ${what}${becauseOf(request)}`)
}

function update(group: ClassicGroup, member: Member, request: JoinRequest): void {
  group.setProtocols(member, request.protocols)
  member.sessionMs = request.sessionMs
  member.rebalanceMs = request.rebalanceMs
}

/** A static member comes back without its id, after a restart: it takes its own place (KIP-345). */
function replaceStatic(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  ids: { known: string; memberId: string },
  answer: JoinAnswer,
): void {
  const { memberId } = ids
  const replaced = present(group.members.get(ids.known), 'the static member')
  const leaderBefore = group.leaderId ?? ''
  const member = makeMember(host, group, request, memberId)
  group.replaceStatic(replaced, member)
  renewSession(member)
  update(group, member, request)
  group.parkJoin(member, answer)
  const why = `static member ${memberId} is back${becauseOf(request)}`
  if (group.state === 'CompletingRebalance') {
    // The leader may be assigning to the old id just now.
    prepareRebalance(host, group, why)
  } else if (group.state !== 'Stable') completeJoinIfDue(host, group)
  else if (group.selectProtocol() !== group.protocolName) rebalance(host, group, why)
  else keepGeneration(host, group, member, { leaderBefore, request })
}

/** Nothing changes but the id: what was assigned stays, once the new id is durable. */
function keepGeneration(
  host: GroupHost,
  group: ClassicGroup,
  member: Member,
  back: { leaderBefore: string; request: JoinRequest },
): void {
  const { generation } = group
  host.save(group, groupValue(group), (error) => {
    if (error !== null) {
      group.answerJoin(member, joinRefused(error, ''))
      return
    }
    // Somebody may have begun a rebalance meanwhile, which this join then is part of.
    if (group.state !== 'Stable' || group.generation !== generation) return
    const outcome = joinedOutcome(group, member)
    const isLeader = group.leaderId === member.memberId
    group.answerJoin(
      member,
      back.request.knowsSkipAssignment
        ? { ...outcome, skipAssignment: isLeader }
        : // Told that it leads it would assign anew, and nobody would hear of that.
          { ...outcome, leaderId: back.leaderBefore, members: [] },
    )
    renewSession(member)
  })
}
