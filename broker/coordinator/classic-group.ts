import { assert, present } from '../../base/assert.ts'
import type { GroupMetadataValue } from '../protocol/messages/group-records.ts'
import type { Deadline } from './deadlines.ts'
import {
  type GroupError,
  type GroupProtocol,
  type JoinAnswer,
  type JoinedMember,
  type JoinOutcome,
  joinRefused,
  syncRefused,
} from './group-outcomes.ts'
import type { Member } from './member.ts'
import { CONSUMER_PROTOCOL, topicsOf } from './subscription.ts'

/** As Kafka names the states to people. */
export type GroupState =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  /** Deleted, or at another coordinator: nothing happens to this object any more. */
  | 'Dead'

/** When the members must have joined, and when they must have asked for their assignment. */
export interface GroupDeadlines {
  readonly join: Deadline
  readonly sync: Deadline
}

const PRECEDING: Readonly<Record<GroupState, readonly GroupState[]>> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Empty', 'CompletingRebalance', 'Stable'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead'],
}

/**
 * A group of the classic protocol: its members and what they have agreed on. Only what is true of
 * the group by itself; what happens over time is in rebalance.ts, join.ts, sync.ts and leave.ts.
 */
export class ClassicGroup {
  readonly groupId: string
  state: GroupState = 'Empty'
  previousState: GroupState = 'Dead'
  /** When the state began, in milliseconds since 1970; -1: unknown. */
  stateSinceMs: number
  generation = 0
  /** Null: nobody ever joined; the group only has offsets ("simple" consumers). */
  protocolType: string | null = null
  protocolName: string | null = null
  leaderId: string | null = null
  readonly members = new Map<string, Member>()
  /** Group instance id → member id. */
  readonly staticMembers = new Map<string, string>()
  /** Members that were given an id and are to join with it, with the end of their patience. */
  readonly pendingJoins = new Map<string, Deadline>()
  /** Members that have heard of the generation and have not asked for their assignment. */
  readonly pendingSyncs = new Set<string>()
  /** Null: unknown, for instance because the members do not speak the consumers' protocol. */
  subscribedTopics: ReadonlySet<string> | null = null
  /** What the log says last of this group, durable or on its way; null: nothing. */
  saved: GroupMetadataValue | null = null
  /** The generation whose assignment is on its way into the log: it is not sent there twice. */
  savingGeneration = -1
  /** Somebody joined since the initial rebalance was last put off. */
  hasNewMember = false
  /** How much longer the initial rebalance may be put off; null: the rebalance is not initial. */
  initialRemainingMs: number | null = null
  awaitingJoinCount = 0
  readonly deadlines: GroupDeadlines
  /** Protocol → how many members know it. */
  private readonly protocolCounts = new Map<string, number>()

  constructor(groupId: string, stateSinceMs: number, deadlines: GroupDeadlines) {
    this.groupId = groupId
    this.stateSinceMs = stateSinceMs
    this.deadlines = deadlines
  }

  transition(state: GroupState, wallMs: number): void {
    assert(PRECEDING[state].includes(this.state), `no group goes from ${this.state} to ${state}`)
    this.previousState = this.state
    this.state = state
    this.stateSinceMs = wallMs
  }

  /** Takes a member in. Its protocols must be there; see {@link supports}. */
  add(member: Member, protocolType: string): void {
    const { memberId, instanceId } = member
    if (instanceId !== null) {
      assert(!this.staticMembers.has(instanceId), 'a group instance id has one member')
      this.staticMembers.set(instanceId, memberId)
    }
    if (this.members.size === 0) this.protocolType = protocolType
    this.leaderId ??= memberId
    this.members.set(memberId, member)
    this.countProtocols(member, 1)
    this.forgetPending(memberId)
  }

  /** Takes a member or a pending one out; its parked requests are refused. */
  remove(memberId: string): void {
    const member = this.members.get(memberId)
    if (member !== undefined) {
      this.members.delete(memberId)
      this.countProtocols(member, -1)
      if (member.instanceId !== null) this.staticMembers.delete(member.instanceId)
      this.answerJoin(member, joinRefused('unknown-member', ''))
      member.answerSync(syncRefused('unknown-member'))
      member.session.cancel()
    }
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value ?? null
    this.forgetPending(memberId)
    this.pendingSyncs.delete(memberId)
  }

  private forgetPending(memberId: string): void {
    this.pendingJoins.get(memberId)?.cancel()
    this.pendingJoins.delete(memberId)
  }

  /** Puts a new member in the place of a static one, with its assignment. The old one is fenced. */
  replaceStatic(replaced: Member, member: Member): void {
    this.members.delete(replaced.memberId)
    this.countProtocols(replaced, -1)
    this.answerJoin(replaced, joinRefused('fenced-instance', replaced.memberId))
    replaced.answerSync(syncRefused('fenced-instance'))
    replaced.session.cancel()
    this.pendingSyncs.delete(replaced.memberId)
    member.sessionMs = replaced.sessionMs
    member.rebalanceMs = replaced.rebalanceMs
    member.protocols = replaced.protocols
    member.assignment = replaced.assignment
    this.members.set(member.memberId, member)
    this.countProtocols(member, 1)
    if (this.leaderId === replaced.memberId) this.leaderId = member.memberId
    this.staticMembers.set(present(member.instanceId, 'the instance id'), member.memberId)
  }

  setProtocols(member: Member, protocols: readonly GroupProtocol[]): void {
    this.countProtocols(member, -1)
    member.protocols = protocols
    this.countProtocols(member, 1)
  }

  /** Parks a join. An older one of the same member was given up by it: it is sent away. */
  parkJoin(member: Member, answer: JoinAnswer): void {
    this.answerJoin(member, joinRefused('rebalance-in-progress', member.memberId))
    member.parkJoin(answer)
    this.awaitingJoinCount++
  }

  answerJoin(member: Member, outcome: JoinOutcome): void {
    if (member.answerJoin(outcome)) this.awaitingJoinCount--
  }

  get hasAllJoined(): boolean {
    return this.members.size === this.awaitingJoinCount && this.pendingJoins.size === 0
  }

  /** The most patient member decides how long a rebalance may take. */
  get rebalanceMs(): number {
    let rebalanceMs = 0
    for (const member of this.members.values()) {
      rebalanceMs = Math.max(rebalanceMs, member.rebalanceMs)
    }
    return rebalanceMs
  }

  /** Why a request that names this member is refused, or null. */
  whyNotMember(memberId: string, instanceId: string | null): GroupError | null {
    if (instanceId !== null) {
      const known = this.staticMembers.get(instanceId)
      if (known === undefined) return 'unknown-member'
      if (known !== memberId) return 'fenced-instance'
    }
    return this.members.has(memberId) ? null : 'unknown-member'
  }

  /** Whether there is a protocol that a member with these has in common with all others. */
  supports(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0
    if (protocolType !== this.protocolType) return false
    return protocols.some(({ name }) => (this.protocolCounts.get(name) ?? 0) === this.members.size)
  }

  private countProtocols(member: Member, change: 1 | -1): void {
    for (const name of new Set(member.protocols.map((protocol) => protocol.name))) {
      const count = (this.protocolCounts.get(name) ?? 0) + change
      if (count === 0) this.protocolCounts.delete(name)
      else this.protocolCounts.set(name, count)
    }
  }

  /** The protocol that gets the most votes of those that all members know. */
  selectProtocol(): string {
    const candidates = new Set<string>()
    for (const [name, count] of this.protocolCounts) {
      if (count === this.members.size) candidates.add(name)
    }
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const vote = present(member.voteAmong(candidates), 'a protocol that all members know')
      votes.set(vote, (votes.get(vote) ?? 0) + 1)
    }
    let selected = ''
    for (const [name, count] of votes) {
      if (count > (votes.get(selected) ?? 0)) selected = name
    }
    return selected
  }

  /** Makes somebody who has joined the leader. False: nobody has. */
  electJoinedLeader(): boolean {
    if (this.leaderId === null) return false
    if (this.members.get(this.leaderId)?.awaitsJoin) return true
    for (const member of this.members.values()) {
      if (!member.awaitsJoin) continue
      this.leaderId = member.memberId
      return true
    }
    return false
  }

  /** All have joined that will: they are the next generation; without any, the group is empty. */
  beginGeneration(wallMs: number): void {
    this.generation++
    this.pendingSyncs.clear()
    this.protocolName = this.members.size === 0 ? null : this.selectProtocol()
    this.transition(this.members.size === 0 ? 'Empty' : 'CompletingRebalance', wallMs)
    this.readSubscriptions()
  }

  /** What the leader needs to know of everybody. */
  joinedMembers(): JoinedMember[] {
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      metadata: member.metadataFor(this.protocolName),
    }))
  }

  /** Whether the offsets of that topic belong to somebody who reads it now (KIP-496). */
  subscribesTo(topic: string): boolean {
    return this.subscribedTopics?.has(topic) ?? this.isOfConsumers
  }

  get isOfConsumers(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL
  }

  readSubscriptions(): void {
    this.subscribedTopics = null
    if (!this.isOfConsumers) return
    const topics = new Set<string>()
    for (const member of this.members.values()) {
      const subscribed = topicsOf(member.metadataFor(this.protocolName))
      // What cannot be read may be a subscription to anything.
      if (subscribed === null) return
      for (const topic of subscribed) topics.add(topic)
    }
    this.subscribedTopics = topics
  }

  /** Nothing would be lost if it were forgotten. */
  get isVoid(): boolean {
    return this.members.size === 0 && this.pendingJoins.size === 0 && this.saved === null
  }
}
