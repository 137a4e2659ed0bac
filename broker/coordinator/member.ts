import type { Deadline } from './deadlines.ts'
import type {
  GroupProtocol,
  JoinAnswer,
  JoinOutcome,
  SyncAnswer,
  SyncOutcome,
} from './group-outcomes.ts'

export interface MemberIdentity {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
}

export const NO_ASSIGNMENT = Buffer.alloc(0)

/** One member of a group. Its parked requests are answered exactly once. */
export class Member implements MemberIdentity {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  sessionMs = 0
  rebalanceMs = 0
  /** In the order in which the member likes them. */
  protocols: readonly GroupProtocol[] = []
  assignment: Buffer = NO_ASSIGNMENT
  /** It has never been part of a generation: it cannot send heartbeats yet. */
  isNew = false
  /** Ends the member's session; heartbeats put it off. */
  readonly session: Deadline
  private joinAnswer: JoinAnswer | null = null
  private syncAnswer: SyncAnswer | null = null

  constructor(identity: MemberIdentity, session: Deadline) {
    this.memberId = identity.memberId
    this.instanceId = identity.instanceId
    this.clientId = identity.clientId
    this.clientHost = identity.clientHost
    this.session = session
  }

  get awaitsJoin(): boolean {
    return this.joinAnswer !== null
  }

  get awaitsSync(): boolean {
    return this.syncAnswer !== null
  }

  parkJoin(answer: JoinAnswer): void {
    this.joinAnswer = answer
  }

  parkSync(answer: SyncAnswer): void {
    this.syncAnswer = answer
  }

  /** Answers the parked join, if there is one. */
  answerJoin(outcome: JoinOutcome): boolean {
    const answer = this.joinAnswer
    this.joinAnswer = null
    answer?.(outcome)
    return answer !== null
  }

  /** Answers the parked sync, if there is one. */
  answerSync(outcome: SyncOutcome): boolean {
    const answer = this.syncAnswer
    this.syncAnswer = null
    answer?.(outcome)
    return answer !== null
  }

  /** What it tells the leader for the protocol of that name. */
  metadataFor(protocolName: string | null): Buffer {
    const known = this.protocols.find(({ name }) => name === protocolName)
    return known?.metadata ?? NO_ASSIGNMENT
  }

  /** Whether it would join with just the same protocols as before. */
  hasProtocols(protocols: readonly GroupProtocol[]): boolean {
    if (protocols.length !== this.protocols.length) return false
    return protocols.every(({ name, metadata }, at) => {
      const own = this.protocols[at]
      return own?.name === name && own.metadata.equals(metadata)
    })
  }

  /** The first of its protocols that all others know too. */
  voteAmong(candidates: ReadonlySet<string>): string | null {
    return this.protocols.find(({ name }) => candidates.has(name))?.name ?? null
  }
}
