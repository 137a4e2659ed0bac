import { type Clock, sleep, type Timer } from '../../base/clock.ts'
import { ADMIN_PORT } from '../api/listener-spec.ts'
import type { KubeObject } from '../kube/objects.ts'
import { type BrokerLoad, fetchLoad } from '../brokers/broker-load.ts'

const POLL_MS = 1_000
/** An older report says nothing of now: whoever scales by it would scale by the past. */
const FRESH_MS_MAX = 5_000

/** What a broker said of itself, and when. */
export interface Report {
  readonly load: BrokerLoad
  /** clock.nowMs and clock.wallMs of the answer. */
  readonly atMs: number
  readonly atWallMs: number
}

interface Asked {
  /** Null: nobody asks it now. */
  asking: Promise<void> | null
  report: Report | null
  /** Whether it was heard of late, when that was last told. */
  wasHeard: boolean
}

export interface BrokerReportsOptions {
  readonly clock: Clock
  /** All pods of brokers, as they are known now. */
  readonly pods: () => readonly KubeObject[]
  /** A broker is heard that was silent, or silent that was heard. */
  readonly onChange: (pod: KubeObject) => void
  /** For tests. */
  readonly fetch?: (host: string) => Promise<BrokerLoad | null>
}

/** Asks every broker for its load, once a second, at its pod's address. */
export class BrokerReports {
  private readonly options: BrokerReportsOptions
  private readonly entries = new Map<string, Asked>()
  private timer: Timer | null = null

  constructor(options: BrokerReportsOptions) {
    this.options = options
  }

  start(): void {
    this.poll()
  }

  stop(): void {
    this.timer?.cancel()
    this.timer = null
  }

  /** The last report of a pod, by its uid; null where it is too old, or there is none. */
  of(uid: string): Report | null {
    const report = this.entries.get(uid)?.report ?? null
    if (report === null) return null
    return this.options.clock.nowMs() - report.atMs <= FRESH_MS_MAX ? report : null
  }

  /**
   * Resolves once those that were never asked have answered, or after `withinMs`: a broker that has
   * just come, or that a new operator has just found, is not silent.
   */
  async asked(pods: readonly KubeObject[], withinMs: number): Promise<void> {
    const news = pods.flatMap((pod) => {
      const entry = this.entryOf(pod)
      return entry !== null && entry.report === null ? [this.ask(pod, entry)] : []
    })
    if (news.length === 0) return
    const stop = new AbortController()
    const tooLong = sleep(this.options.clock, withinMs, stop.signal)
    await Promise.race([Promise.all(news), tooLong])
    stop.abort()
  }

  private poll(): void {
    const { clock, pods, onChange } = this.options
    this.timer = clock.after(POLL_MS, () => this.poll())
    const present = new Set<string>()
    for (const pod of pods()) {
      const entry = this.entryOf(pod)
      if (entry === null) continue
      const { uid = '' } = pod.metadata
      present.add(uid)
      void this.ask(pod, entry)
      const isHeard = this.of(uid) !== null
      if (isHeard === entry.wasHeard) continue
      entry.wasHeard = isHeard
      onChange(pod)
    }
    for (const uid of this.entries.keys()) if (!present.has(uid)) this.entries.delete(uid)
  }

  /** Null: nobody can be asked there, or not any more. */
  private entryOf(pod: KubeObject): Asked | null {
    if (addressOf(pod) === null) return null
    const { uid = '' } = pod.metadata
    const entry = this.entries.get(uid) ?? { asking: null, report: null, wasHeard: false }
    this.entries.set(uid, entry)
    return entry
  }

  /** One question at a time: a broker that hangs must not collect connections. */
  private ask(pod: KubeObject, entry: Asked): Promise<void> {
    entry.asking ??= this.question(pod, entry).finally(() => {
      entry.asking = null
    })
    return entry.asking
  }

  private async question(pod: KubeObject, entry: Asked): Promise<void> {
    const { clock, onChange } = this.options
    const load = await this.fetch(addressOf(pod) ?? '')
    if (load === null) return
    entry.report = { load, atMs: clock.nowMs(), atWallMs: clock.wallMs() }
    if (entry.wasHeard) return
    entry.wasHeard = true
    onChange(pod)
  }

  private fetch(host: string): Promise<BrokerLoad | null> {
    const { clock, fetch } = this.options
    return fetch === undefined ? fetchLoad({ host, port: ADMIN_PORT }, clock) : fetch(host)
  }
}

/** Where a broker can be asked; null where it cannot, or not any more. */
function addressOf(pod: KubeObject): string | null {
  const { phase, podIP } = (pod.status ?? {}) as { phase?: string; podIP?: string }
  return phase === 'Running' && podIP !== undefined ? podIP : null
}
