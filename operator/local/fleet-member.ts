import type { Timer } from '../../base/clock.ts'
import type { BrokerLoad } from '../brokers/broker-load.ts'
import type { BrokerAddresses, BrokerExit, BrokerProcess } from './broker-process.ts'
import type { ScaleInCandidate } from '../brokers/removal-order.ts'

export type DrainReason = 'scale-in' | 'shutdown' | 'by-itself'
export type KillReason = 'start-too-long' | 'drain-too-long' | 'no-answer'

/** One broker process of the fleet, from its start to its end. Only the fleet changes it. */
export interface FleetMember {
  /** Counts the starts of this run. */
  readonly sequence: number
  readonly process: BrokerProcess
  readonly startedAtMs: number
  state: 'starting' | 'active' | 'draining'
  readyAtMs: number | null
  drainStartedAtMs: number | null
  addresses: BrokerAddresses | null
  load: BrokerLoad | null
  /** When it last said something: its load, or that it serves. */
  heardAtMs: number
  /** The bound of what is going on: starting or draining. */
  deadline: Timer | null
}

/** What happens to the fleet, for people and for whoever routes to it. */
export type FleetEvent =
  | { readonly kind: 'started'; readonly member: FleetMember }
  | { readonly kind: 'ready'; readonly member: FleetMember; readonly tookMs: number }
  | { readonly kind: 'draining'; readonly member: FleetMember; readonly why: DrainReason }
  | { readonly kind: 'error'; readonly member: FleetMember; readonly message: string }
  | { readonly kind: 'killed'; readonly member: FleetMember; readonly why: KillReason }
  | {
      readonly kind: 'ended'
      readonly member: FleetMember
      readonly exit: BrokerExit
      /** False: it ended without having been asked to, or not well. */
      readonly drained: boolean
      readonly tookMs: number
    }
  | { readonly kind: 'retrying'; readonly failures: number; readonly delayMs: number }
  | { readonly kind: 'cannot-start'; readonly failures: number; readonly lastError: string | null }

/** What a person calls a broker: its node id, once it has one. */
export function nameOf(member: FleetMember): string {
  if (member.addresses !== null) return `node ${member.addresses.nodeId}`
  return `new broker (pid ${member.process.pid ?? 'none'})`
}

/** A broker answers every second; one that missed several answers hangs, or is stopped. */
const SILENT_MS_MIN = 4000

/** Whether a broker that should serve says nothing: no good place to send new clients to. */
export function isSilent(member: FleetMember, nowMs: number): boolean {
  return member.state === 'active' && nowMs - member.heardAtMs > SILENT_MS_MIN
}

/** The member as a candidate for removal. */
export function candidateOf(member: FleetMember): ScaleInCandidate & { member: FleetMember } {
  const { load } = member
  return {
    member,
    ready: member.state === 'active',
    partitions: load?.partitions ?? 0,
    bytesPerSecond: load === null ? 0 : load.bytesInPerSecond + load.bytesOutPerSecond,
    controller: load?.controller ?? false,
    sequence: member.sequence,
  }
}
