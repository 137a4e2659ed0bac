import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { BrokerLoad } from '../brokers/broker-load.ts'
import type {
  BrokerAddresses,
  BrokerExit,
  BrokerProcess,
  BrokerProcessEvents,
} from './broker-process.ts'
import {
  candidateOf,
  type DrainReason,
  type FleetEvent,
  type FleetMember,
  type KillReason,
} from './fleet-member.ts'
import { inRemovalOrder } from '../brokers/removal-order.ts'

export interface FleetOptions {
  readonly clock: Clock
  /** Starts one broker process. Must not call `events` before it returns. */
  readonly start: (sequence: number, events: BrokerProcessEvents) => BrokerProcess
  readonly onEvent: (event: FleetEvent) => void
}

/** A broker reads the metadata log first; on a slow store that takes a while. */
const START_MS_MAX = 60_000
/** Brokers promise to drain within 30 s. Killed ones lose no data, but are taken over slowly. */
const DRAIN_MS_MAX = 35_000
/** A broker that says nothing for so long hangs, or is stopped: a new one serves better. */
const SILENCE_MS_MAX = 30_000
/** When nothing died for so long after an attempt, the next death is the first of a new row. */
const QUIET_MS = 30_000
const BACKOFF_MS_FIRST = 1000
const BACKOFF_MS_MAX = 30_000
/** When no broker ever served, this many deaths in a row (per broker wanted: one more) are enough. */
const START_FAILURES_MAX = 3

/**
 * Keeps as many broker processes as desired. Level-triggered: {@link reconcile} compares what is
 * with what is wanted, whatever happened in between. Processes that drain count as gone, so that
 * growing again starts new ones at once and never waits for a drain.
 */
export class Fleet {
  private readonly options: FleetOptions
  private readonly membersBySequence = new Map<number, FleetMember>()
  private readonly endWaiters = new Set<() => void>()
  private desiredCount = 0
  private sequenceLast = 0
  private failures = 0
  private startFailures = 0
  private retryAtMs = 0
  private retryTimer: Timer | null = null
  private everReady = false
  private stopping = false

  constructor(options: FleetOptions) {
    this.options = options
  }

  /** Every process that has not ended, in the order of their starts. */
  get members(): readonly FleetMember[] {
    return [...this.membersBySequence.values()]
  }

  get desired(): number {
    return this.desiredCount
  }

  /** Members that serve and may be sent new clients. */
  get active(): readonly FleetMember[] {
    return this.members.filter((member) => member.state === 'active')
  }

  /** Wants `count` brokers from now on. */
  setDesired(count: number): void {
    assert(Number.isInteger(count) && count >= 0, 'a number of brokers is a natural number')
    if (this.stopping) return
    this.desiredCount = count
    this.reconcile()
  }

  /** What a member said of its load, or null if it did not answer. */
  setLoad(member: FleetMember, load: BrokerLoad | null): void {
    if (!this.membersBySequence.has(member.sequence)) return
    const nowMs = this.options.clock.nowMs()
    member.load = load
    if (load !== null) member.heardAtMs = nowMs
    if (member.state === 'active' && nowMs - member.heardAtMs > SILENCE_MS_MAX) {
      this.kill(member, 'no-answer')
    }
    // Somebody else asked it to drain, or it found that it must.
    if (member.state === 'active' && load?.state === 'draining') this.drain(member, 'by-itself')
    this.reconcile()
  }

  /**
   * Drains every broker, the dearest to empty last, so that all others have somebody to hand over
   * to. Resolves when no process is left; bounded by two drains.
   */
  async stop(): Promise<void> {
    this.stopping = true
    this.desiredCount = 0
    this.retryTimer?.cancel()
    const staying = this.members.filter((member) => member.state !== 'draining')
    const order = inRemovalOrder(staying.map(candidateOf)).map(({ member }) => member)
    const last = order.pop()
    for (const member of order) this.drain(member, 'shutdown')
    await this.ended((member) => member !== last)
    // Meanwhile it may have ended, or begun to drain by itself.
    const stays = last !== undefined && this.membersBySequence.has(last.sequence)
    if (stays && last.state !== 'draining') this.drain(last, 'shutdown')
    await this.ended(() => true)
  }

  /** Ends every process at once. What brokers acknowledged is in the store already. */
  killAll(): void {
    this.stopping = true
    this.desiredCount = 0
    this.retryTimer?.cancel()
    for (const member of this.members) member.process.kill()
  }

  private reconcile(): void {
    if (this.stopping) return
    const wanted = this.members.filter((member) => member.state !== 'draining')
    const excess = wanted.length - this.desiredCount
    if (excess > 0) {
      const order = inRemovalOrder(wanted.map(candidateOf))
      for (const { member } of order.slice(0, excess)) this.drain(member, 'scale-in')
    }
    if (excess >= 0) return
    const nowMs = this.options.clock.nowMs()
    const waitMs = this.retryAtMs - nowMs
    if (waitMs > 0) {
      this.retryTimer?.cancel()
      this.retryTimer = this.options.clock.after(waitMs, () => this.reconcile())
      return
    }
    // While starting fails, one at a time tells as much as all of them.
    const probing = this.recentFailures(nowMs) > 1
    if (probing && wanted.some((member) => member.state === 'starting')) return
    for (let i = 0; i < (probing ? 1 : -excess); i++) this.start()
  }

  private start(): void {
    const { clock } = this.options
    const sequence = ++this.sequenceLast
    const process = this.options.start(sequence, {
      ready: (addresses) => this.onReady(member, addresses),
      error: (message) => this.options.onEvent({ kind: 'error', member, message }),
      exit: (exit) => this.onExit(member, exit),
    })
    const member: FleetMember = {
      sequence,
      process,
      startedAtMs: clock.nowMs(),
      state: 'starting',
      readyAtMs: null,
      drainStartedAtMs: null,
      addresses: null,
      load: null,
      heardAtMs: clock.nowMs(),
      deadline: clock.after(START_MS_MAX, () => this.kill(member, 'start-too-long')),
    }
    this.membersBySequence.set(sequence, member)
    this.options.onEvent({ kind: 'started', member })
  }

  private onReady(member: FleetMember, addresses: BrokerAddresses): void {
    const nowMs = this.options.clock.nowMs()
    member.addresses = addresses
    member.readyAtMs = nowMs
    member.heardAtMs = nowMs
    this.everReady = true
    if (member.state !== 'starting') return
    member.state = 'active'
    member.deadline?.cancel()
    this.options.onEvent({ kind: 'ready', member, tookMs: nowMs - member.startedAtMs })
    this.reconcile()
  }

  private drain(member: FleetMember, why: DrainReason): void {
    assert(member.state !== 'draining', 'a broker drains once')
    const { clock } = this.options
    member.state = 'draining'
    member.deadline?.cancel()
    member.deadline = clock.after(DRAIN_MS_MAX, () => this.kill(member, 'drain-too-long'))
    if (why !== 'by-itself') member.process.terminate()
    member.drainStartedAtMs = clock.nowMs()
    this.options.onEvent({ kind: 'draining', member, why })
  }

  private kill(member: FleetMember, why: KillReason): void {
    this.options.onEvent({ kind: 'killed', member, why })
    member.process.kill()
  }

  private onExit(member: FleetMember, exit: BrokerExit): void {
    const nowMs = this.options.clock.nowMs()
    member.deadline?.cancel()
    this.membersBySequence.delete(member.sequence)
    const sinceMs = member.drainStartedAtMs ?? member.startedAtMs
    const asked = member.state === 'draining'
    const drained = asked && (exit.code === 0 || member.readyAtMs === null)
    this.options.onEvent({ kind: 'ended', member, exit, drained, tookMs: nowMs - sinceMs })
    if (!asked) this.onFailure(exit)
    for (const check of this.endWaiters) check()
    this.reconcile()
  }

  private onFailure(exit: BrokerExit): void {
    if (this.stopping) return
    const nowMs = this.options.clock.nowMs()
    this.failures = this.recentFailures(nowMs) + 1
    this.startFailures += 1
    const startFailuresMax = START_FAILURES_MAX + this.desiredCount - 1
    if (!this.everReady && this.startFailures >= startFailuresMax) {
      this.stopping = true
      const { startFailures: failures } = this
      this.options.onEvent({ kind: 'cannot-start', failures, lastError: exit.lastError })
      return
    }
    // The first death may be an accident: its place is filled at once.
    const exponent = this.failures - 2
    const delayMs = exponent < 0 ? 0 : Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** exponent)
    this.retryAtMs = nowMs + delayMs
    this.options.onEvent({ kind: 'retrying', failures: this.failures, delayMs })
  }

  /** Deaths in a row: a quiet time after the last attempt ends the row. */
  private recentFailures(nowMs: number): number {
    return nowMs - this.retryAtMs > QUIET_MS ? 0 : this.failures
  }

  /** Resolves when no member that `concerns` is left. */
  private ended(concerns: (member: FleetMember) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.members.some(concerns)) return
        this.endWaiters.delete(check)
        resolve()
      }
      this.endWaiters.add(check)
      check()
    })
  }
}
