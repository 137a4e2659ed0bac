/** Why a group refuses something; handlers say it in Kafka's codes. */
export type GroupError =
  | 'not-coordinator'
  | 'inconsistent-protocol'
  | 'unknown-member'
  | 'illegal-generation'
  | 'rebalance-in-progress'
  | 'fenced-instance'
  | 'member-id-required'
  | 'group-full'
  | 'group-not-found'
  | 'group-not-empty'
  | 'too-large'

/** A way to assign partitions that a member knows, with what it tells the leader for that. */
export interface GroupProtocol {
  readonly name: string
  readonly metadata: Buffer
}

export interface JoinRequest {
  readonly groupId: string
  /** Empty: the member is new and has no id yet. */
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionMs: number
  readonly rebalanceMs: number
  readonly protocolType: string
  readonly protocols: readonly GroupProtocol[]
  readonly reason: string | null
  /** KIP-394: a new member gets an id first, and joins with it. */
  readonly knowsIdRequired: boolean
  /** KIP-814: a leader that comes back can be told not to assign anew. */
  readonly knowsSkipAssignment: boolean
}

export interface JoinOutcome {
  readonly error: GroupError | null
  readonly memberId: string
  readonly generation: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leaderId: string
  readonly skipAssignment: boolean
  /** For the leader alone: who is to be assigned something. */
  readonly members: readonly JoinedMember[]
}

export interface JoinedMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly metadata: Buffer
}

export type JoinAnswer = (outcome: JoinOutcome) => void

export interface SyncRequest {
  readonly groupId: string
  readonly memberId: string
  readonly instanceId: string | null
  readonly generation: number
  /** Null: the member does not say. */
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]
}

export interface SyncOutcome {
  readonly error: GroupError | null
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Buffer
}

export type SyncAnswer = (outcome: SyncOutcome) => void

const NO_GENERATION = -1
const NOTHING = Buffer.alloc(0)

export function joinRefused(error: GroupError, memberId: string): JoinOutcome {
  return {
    error,
    memberId,
    generation: NO_GENERATION,
    protocolType: null,
    protocolName: null,
    leaderId: '',
    skipAssignment: false,
    members: [],
  }
}

export function syncRefused(error: GroupError): SyncOutcome {
  return { error, protocolType: null, protocolName: null, assignment: NOTHING }
}
