import type { Clock, Timer } from '../../base/clock.ts'
import { ADMIN_PORT } from '../api/listener-spec.ts'
import type { KubeObject } from '../kube/objects.ts'
import { type BrokerLoad, fetchLoad } from '../local/broker-load.ts'

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
  isAsking: boolean
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
  private readonly asked = new Map<string, Asked>()
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
    const report = this.asked.get(uid)?.report ?? null
    if (report === null) return null
    return this.options.clock.nowMs() - report.atMs <= FRESH_MS_MAX ? report : null
  }

  private poll(): void {
    const { clock, pods, onChange } = this.options
    this.timer = clock.after(POLL_MS, () => this.poll())
    const present = new Set<string>()
    for (const pod of pods()) {
      const { uid = '' } = pod.metadata
      const host = addressOf(pod)
      if (host === null) continue
      present.add(uid)
      const asked = this.asked.get(uid) ?? { isAsking: false, report: null, wasHeard: false }
      this.asked.set(uid, asked)
      // One question at a time: a broker that hangs must not collect connections.
      if (!asked.isAsking) void this.ask(pod, host, asked)
      const isHeard = this.of(uid) !== null
      if (isHeard === asked.wasHeard) continue
      asked.wasHeard = isHeard
      onChange(pod)
    }
    for (const uid of this.asked.keys()) if (!present.has(uid)) this.asked.delete(uid)
  }

  private async ask(pod: KubeObject, host: string, asked: Asked): Promise<void> {
    const {
      clock,
      onChange,
      fetch = (at) => fetchLoad({ host: at, port: ADMIN_PORT }, clock),
    } = this.options
    asked.isAsking = true
    const load = await fetch(host)
    asked.isAsking = false
    if (load === null) return
    asked.report = { load, atMs: clock.nowMs(), atWallMs: clock.wallMs() }
    if (asked.wasHeard) return
    asked.wasHeard = true
    onChange(pod)
  }
}

/** Where a broker can be asked; null where it cannot, or not any more. */
function addressOf(pod: KubeObject): string | null {
  const { phase, podIP } = (pod.status ?? {}) as { phase?: string; podIP?: string }
  return phase === 'Running' && podIP !== undefined ? podIP : null
}
