import { silentLogger } from '../../../base/log.ts'
import { virtualClock } from '../../../base/testing/virtual-clock.ts'
import type { GroupMetadataValue } from '../../protocol/messages/group-records.ts'
import type { ClassicGroup } from '../classic-group.ts'
import { Deadlines } from '../deadlines.ts'
import type { GroupHost } from '../group-host.ts'
import type {
  GroupError,
  JoinOutcome,
  JoinRequest,
  SyncOutcome,
  SyncRequest,
} from '../group-outcomes.ts'
import type { GroupSettings } from '../group-settings.ts'
import { join } from '../join.ts'
import { newGroup } from '../rebalance.ts'
import { sync } from '../sync.ts'

export const TEST_SETTINGS: GroupSettings = {
  initialRebalanceDelayMs: 3_000,
  sessionMsMin: 6_000,
  sessionMsMax: 1_800_000,
  membersMax: 100,
  metadataLengthMax: 4096,
  offsetsRetentionMs: 7 * 86_400_000,
  retentionCheckMs: 600_000,
}

export const SESSION_MS = 10_000
export const REBALANCE_MS = 60_000

interface PendingSave {
  readonly value: GroupMetadataValue
  readonly done: (error: GroupError | null) => void
}

/** A parked request: `outcome` is null until it is answered; a second answer is a fault. */
export class Parked<Outcome> {
  outcome: Outcome | null = null

  readonly answer = (outcome: Outcome): void => {
    if (this.outcome !== null) throw new Error('a request is answered twice')
    this.outcome = outcome
  }
}

/** One group without a log: what it saves is durable when the test says so, or at once. */
export class GroupWorld implements GroupHost {
  readonly clock = virtualClock()
  readonly logger = silentLogger
  readonly deadlines = new Deadlines(this.clock)
  readonly settings: GroupSettings
  readonly saves: PendingSave[] = []
  savesAtOnce = true
  forgotten = 0
  readonly group: ClassicGroup
  private lastId = 0

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...TEST_SETTINGS, ...settings }
    this.group = newGroup(this, 'group', this.clock.wallMs())
  }

  deadline(expired: () => void) {
    return this.deadlines.create(expired)
  }

  uniqueId(): string {
    return String(++this.lastId)
  }

  save(
    group: ClassicGroup,
    value: GroupMetadataValue,
    done: (error: GroupError | null) => void,
  ): void {
    group.saved = value
    this.saves.push({ value, done })
    if (this.savesAtOnce) queueMicrotask(() => this.saved())
  }

  /** What was saved first is durable, or will never be. */
  saved(error: GroupError | null = null): void {
    this.saves.shift()?.done(error)
  }

  forgetIfVoid(group: ClassicGroup): void {
    if (group.isVoid) this.forgotten++
  }

  join(memberId: string, request: Partial<JoinRequest> = {}): Parked<JoinOutcome> {
    const parked = new Parked<JoinOutcome>()
    const protocols = [{ name: 'range', metadata: Buffer.from('any') }]
    const asked: JoinRequest = {
      groupId: 'group',
      memberId,
      instanceId: null,
      clientId: 'c',
      clientHost: '/test',
      sessionMs: SESSION_MS,
      rebalanceMs: REBALANCE_MS,
      protocolType: 'consumer',
      protocols,
      reason: null,
      knowsIdRequired: false,
      knowsSkipAssignment: true,
      ...request,
    }
    join(this, this.group, asked, parked.answer)
    return parked
  }

  sync(memberId: string, request: Partial<SyncRequest> = {}): Parked<SyncOutcome> {
    const parked = new Parked<SyncOutcome>()
    const asked: SyncRequest = {
      groupId: 'group',
      memberId,
      instanceId: null,
      generation: this.group.generation,
      protocolType: null,
      protocolName: null,
      assignments: [],
      ...request,
    }
    sync(this, this.group, asked, parked.answer)
    return parked
  }

  /** A leader's sync, which assigns to each member its own id. */
  syncLeader(request: Partial<SyncRequest> = {}): Parked<SyncOutcome> {
    const assignments = [...this.group.members.keys()].map((memberId) => {
      return { memberId, assignment: Buffer.from(memberId) }
    })
    return this.sync(this.group.leaderId ?? '', { assignments, ...request })
  }

  /** A stable group of new members, whose ids it resolves with. The first one leads. */
  async stable(requests: readonly Partial<JoinRequest>[]): Promise<string[]> {
    for (const request of requests) this.join('', request)
    // Once put off by those who came after the first one, and what the deadlines are late.
    await this.clock.advanceBy(2 * this.settings.initialRebalanceDelayMs + 100)
    const memberIds = [...this.group.members.keys()]
    for (const memberId of memberIds) if (memberId !== this.group.leaderId) this.sync(memberId)
    this.syncLeader()
    await this.clock.advanceBy(0)
    return memberIds
  }
}
