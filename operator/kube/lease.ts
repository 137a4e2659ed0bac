import { type Clock, sleep, type Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { KubeClient } from './client.ts'
import type { Outcome } from './failure.ts'
import { microTime } from './micro-time.ts'
import { type KubeObject, kinds, type ObjectName } from './objects.ts'

export interface LeaseTimes {
  /** Others wait so long after the last change of the record that they saw. */
  readonly durationMs: number
  /** A leader that could not renew for so long is none any more. Less than `durationMs`. */
  readonly renewDeadlineMs: number
  /** Between two tries. Less than `renewDeadlineMs`. */
  readonly retryMs: number
}

/** As Kubernetes' own controllers have it. */
const TIMES_DEFAULT: LeaseTimes = {
  durationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryMs: 2_000,
}

interface LeaseSpec {
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

interface Lease extends KubeObject {
  spec?: LeaseSpec
}

export interface LeaderElectorOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly name: ObjectName
  /** Names this process, and never one that was before it under the same pod name. */
  readonly identity: string
  readonly times?: LeaseTimes
  readonly onElected: () => void
  /** Once at most, after `onElected`: somebody else may be the leader now. The process has to end. */
  readonly onLost: () => void
}

/**
 * One leader among several processes, by a Lease object that its holder renews. Times of other
 * machines mean nothing here: a record counts as alive for its duration after this process saw it
 * change, and a leader counts its own time from before it sent its last renewal. Two clocks that
 * run at about the same speed are all that is assumed.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
export class LeaderElector {
  private readonly options: LeaderElectorOptions
  private readonly times: LeaseTimes
  private readonly stopping = new AbortController()
  private running: Promise<void> | null = null
  /** The record as it was last seen to change, and when. */
  private seen: { resourceVersion: string; changedAtMs: number; lease: Lease } | null = null
  /** When the renewal that still counts was sent; null while not the leader. */
  private renewedAtMs: number | null = null
  private expiry: Timer | null = null
  private isLost = false

  constructor(options: LeaderElectorOptions) {
    this.options = options
    this.times = options.times ?? TIMES_DEFAULT
  }

  /** By the clock, not by timers: right also when the process stood still for a while. */
  get isLeader(): boolean {
    const { renewedAtMs } = this
    if (renewedAtMs === null || this.isLost) return false
    return this.options.clock.nowMs() - renewedAtMs < this.times.renewDeadlineMs
  }

  /** Who holds the record that was seen last; null when nobody does or none was seen. */
  get holder(): string | null {
    return this.seen?.lease.spec?.holderIdentity || null
  }

  start(): void {
    this.running ??= this.run()
  }

  /**
   * Ends the candidacy; a leader gives the lease back, so that the next one need not wait for it.
   * Whatever the leader did has to be over before. `onLost` is not called.
   */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
    const wasLeader = this.isLeader
    this.expiry?.cancel()
    this.renewedAtMs = null
    if (wasLeader) await this.release()
  }

  private async run(): Promise<void> {
    const { clock, random } = this.options
    const { signal } = this.stopping
    while (!signal.aborted && !this.isLost) {
      await this.tryOnce()
      if (this.isLost) return
      const { retryMs } = this.times
      // Candidates come at different moments, so that few of them meet a conflict.
      const spread = this.renewedAtMs === null ? random.below(Math.ceil(retryMs / 5) + 1) : 0
      await sleep(clock, retryMs + spread, signal)
    }
  }

  /** Looks at the record, and takes or renews the lease if that is allowed. */
  private async tryOnce(): Promise<void> {
    const { client, clock, name } = this.options
    const sentAtMs = clock.nowMs()
    const requestOptions = { deadlineMs: this.times.retryMs, signal: this.stopping.signal }
    if (this.renewedAtMs === null || this.seen === null) {
      const read = await client.get<Lease>(kinds.lease, name, requestOptions)
      if (read.ok) this.notice(read.value)
      else if (read.failure.status === 404) return this.take(sentAtMs, null)
      else return this.complain('The lease could not be read', read)
      if (!this.mayTake()) return
    }
    await this.take(sentAtMs, this.seen?.lease ?? null)
  }

  private notice(lease: Lease): void {
    const resourceVersion = lease.metadata.resourceVersion ?? ''
    if (this.seen?.resourceVersion === resourceVersion) return
    const changedAtMs = this.options.clock.nowMs()
    this.seen = { resourceVersion, changedAtMs, lease }
  }

  private mayTake(): boolean {
    const { clock, identity } = this.options
    if (this.seen === null) return true
    const { holderIdentity, leaseDurationSeconds } = this.seen.lease.spec ?? {}
    if (!holderIdentity || holderIdentity === identity) return true
    // The holder's own word on how long it may count on the lease; ours when it gives none.
    const durationMs = Math.max((leaseDurationSeconds ?? 0) * 1000, this.times.durationMs)
    return clock.nowMs() - this.seen.changedAtMs > durationMs
  }

  /** Writes ourselves into the record, provided that it is still `lease`. */
  private async take(sentAtMs: number, lease: Lease | null): Promise<void> {
    const { client, identity, name } = this.options
    const spec = this.specOf(lease?.spec ?? {}, identity)
    const requestOptions = { deadlineMs: this.times.retryMs, signal: this.stopping.signal }
    const written =
      lease === null
        ? await client.create<Lease>(kinds.lease, { metadata: { ...name }, spec }, requestOptions)
        : await client.replace<Lease>(kinds.lease, { ...lease, spec }, requestOptions)
    if (written.ok) {
      this.notice(written.value)
      return this.renewed(sentAtMs)
    }
    await this.lookAgain()
    this.complain('The lease could not be written', written)
  }

  /**
   * Somebody wrote the record, maybe we ourselves with a renewal whose answer was lost. That one is
   * not counted, for nobody knows which of our tries it was: the next try renews on top of it.
   */
  private async lookAgain(): Promise<void> {
    const { client, identity, name } = this.options
    const requestOptions = { deadlineMs: this.times.retryMs, signal: this.stopping.signal }
    const read = await client.get<Lease>(kinds.lease, name, requestOptions)
    if (read.ok) this.notice(read.value)
    if (this.renewedAtMs === null) return
    if (!read.ok) {
      if (read.failure.status === 404) this.lose('it was deleted')
      return
    }
    if (read.value.spec?.holderIdentity !== identity) this.lose('another process holds it')
  }

  private specOf(before: LeaseSpec, holderIdentity: string): LeaseSpec {
    const now = microTime(this.options.clock.wallMs())
    const isSame = before.holderIdentity === holderIdentity
    return {
      ...before,
      holderIdentity,
      leaseDurationSeconds: Math.ceil(this.times.durationMs / 1000),
      acquireTime: isSame ? (before.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (before.leaseTransitions ?? 0) + (isSame || !before.renewTime ? 0 : 1),
    }
  }

  private renewed(sentAtMs: number): void {
    const { clock, log, onElected, identity } = this.options
    if (this.isLost) return
    const isFirst = this.renewedAtMs === null
    const leftMs = sentAtMs + this.times.renewDeadlineMs - clock.nowMs()
    // The process stood still while it waited for the answer: it never led.
    if (isFirst && leftMs <= 0) return
    this.renewedAtMs = sentAtMs
    this.expiry?.cancel()
    this.expiry = clock.after(leftMs, () => this.lose('it could not be renewed in time'))
    if (!isFirst) return
    log.info('This process leads', { lease: this.options.name, identity })
    onElected()
  }

  private lose(why: string): void {
    if (this.isLost || this.renewedAtMs === null || this.stopping.signal.aborted) return
    this.isLost = true
    this.expiry?.cancel()
    this.options.log.error('The lease is lost', { lease: this.options.name, why })
    this.options.onLost()
  }

  private async release(): Promise<void> {
    const { client, clock, identity, name } = this.options
    const deadlineMs = this.times.retryMs
    const read = await client.get<Lease>(kinds.lease, name, { deadlineMs })
    if (!read.ok) return this.complain('The lease could not be given back', read)
    if (read.value.spec?.holderIdentity !== identity) return
    const now = microTime(clock.wallMs())
    const spec: LeaseSpec = {
      ...read.value.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: now,
    }
    const written = await client.replace(kinds.lease, { ...read.value, spec }, { deadlineMs })
    if (!written.ok) this.complain('The lease could not be given back', written)
  }

  private complain(message: string, outcome: Outcome<unknown>): void {
    if (outcome.ok || this.stopping.signal.aborted) return
    const { status, reason, message: words } = outcome.failure
    // Two candidates at once: one of them has it now, which is all that was wanted.
    if (status === 409) return
    this.options.log.warn(message, { lease: this.options.name, status, reason, words })
  }
}
