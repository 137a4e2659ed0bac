import type { Clock } from '../base/clock.ts'

/** Rates are means over about this long. */
const WINDOW_MS = 5_000
const SAMPLE_MS = 1_000
/** How many partitions a ping tells of: the balancer needs those that matter. */
const BUSIEST_MAX = 256

interface Meter {
  bytes: number
  ratePerSecond: number
}

/** What passes through a node, per partition and in all: the numbers that scaling runs on. */
export class LoadMeter {
  readonly total = { bytesIn: 0, bytesOut: 0, requests: 0 }
  readonly ratesPerSecond = { bytesIn: 0, bytesOut: 0, requests: 0 }
  private last = { bytesIn: 0, bytesOut: 0, requests: 0 }
  private readonly meters = new Map<string, Meter>()
  private readonly clock: Clock
  private sampledAtMs: number

  constructor(clock: Clock) {
    this.clock = clock
    this.sampledAtMs = clock.nowMs()
  }

  /** Bytes of a partition that came in or went out. */
  partitionBytes(id: string, bytes: number): void {
    const meter = this.meters.get(id)
    if (meter === undefined) this.meters.set(id, { bytes, ratePerSecond: 0 })
    else meter.bytes += bytes
  }

  /** Brings the rates up to date; called whenever somebody wants to know them. */
  sample(): void {
    const elapsedMs = this.clock.nowMs() - this.sampledAtMs
    if (elapsedMs < SAMPLE_MS) return
    this.sampledAtMs += elapsedMs
    const share = Math.min(1, elapsedMs / WINDOW_MS)
    for (const name of ['bytesIn', 'bytesOut', 'requests'] as const) {
      const rate = ((this.total[name] - this.last[name]) * 1000) / elapsedMs
      this.ratesPerSecond[name] += (rate - this.ratesPerSecond[name]) * share
      this.last[name] = this.total[name]
    }
    for (const [id, meter] of this.meters) {
      meter.ratePerSecond += ((meter.bytes * 1000) / elapsedMs - meter.ratePerSecond) * share
      meter.bytes = 0
      if (meter.ratePerSecond < 1) this.meters.delete(id)
    }
  }

  /** Bytes per second of the partitions that carry most. */
  busiestPartitions(): Record<string, number> {
    this.sample()
    const busiest = [...this.meters].sort((a, b) => b[1].ratePerSecond - a[1].ratePerSecond)
    const loads: Record<string, number> = {}
    for (const [id, { ratePerSecond }] of busiest.slice(0, BUSIEST_MAX)) {
      loads[id] = Math.round(ratePerSecond)
    }
    return loads
  }
}
