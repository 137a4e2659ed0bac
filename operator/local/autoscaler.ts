import type { Clock, Timer } from '../../base/clock.ts'
import { clusterMetrics } from '../api/autoscaling.ts'
import { milliByMetricOf, summarize } from '../brokers/broker-load.ts'
import type { Fleet } from './fleet.ts'
import type { FleetMember } from './fleet-member.ts'
import { decideReplicas, type HpaDecision, type HpaSpec, initialHpaMemory } from './hpa.ts'
import type { HpaMemory } from './hpa-behavior.ts'
import type { HpaPod } from './hpa-metric.ts'

/**
 * Kubernetes looks every 15 s, which suits its pipeline of metrics. Here brokers are asked
 * directly, so that looking more often shows something new.
 */
const LOOK_MS = 5000
/** A measurement older than this says nothing about now; it counts as missing. */
const LOAD_AGE_MS_MAX = 5000

export interface AutoscalerOptions {
  readonly clock: Clock
  readonly fleet: Fleet
  readonly spec: HpaSpec
  readonly onDecision: (decision: HpaDecision, change: { from: number; to: number }) => void
}

/** Looks at the fleet's load regularly and sets how many brokers are desired. */
export class Autoscaler {
  private readonly options: AutoscalerOptions
  private memory: HpaMemory
  private timer: Timer

  constructor(options: AutoscalerOptions) {
    const { clock, fleet } = options
    this.options = options
    this.memory = initialHpaMemory({ nowMs: clock.nowMs(), currentReplicas: fleet.desired })
    this.timer = clock.after(LOOK_MS, () => this.look())
  }

  close(): void {
    this.timer.cancel()
  }

  private look(): void {
    const { clock, fleet, spec } = this.options
    this.timer = clock.after(LOOK_MS, () => this.look())
    const nowMs = clock.nowMs()
    const from = fleet.desired
    const members = fleet.members.filter((member) => member.state !== 'draining')
    const pods = members.map((member) => podOf(member, nowMs))
    const serving = pods.filter((_, index) => members[index]?.state === 'active')
    const { decision, memory } = decideReplicas(spec, this.memory, {
      nowMs,
      currentReplicas: from,
      pods,
      milliByClusterMetric: clusterMetricsOf(serving),
    })
    this.memory = memory
    const to = decision.desiredReplicas
    this.options.onDecision(decision, { from, to })
    if (to !== from) fleet.setDesired(to)
  }
}

/** A process runs from its start on, as a pod does; before it serves, it has no measurement. */
function podOf(member: FleetMember, nowMs: number): HpaPod {
  const fresh = member.load !== null && nowMs - member.heardAtMs <= LOAD_AGE_MS_MAX
  return {
    name: String(member.sequence),
    phase: 'running',
    milliByMetric: fresh && member.load !== null ? milliByMetricOf(member.load) : new Map(),
  }
}

/** As the metrics API tells them: nothing of a cluster while a broker that serves is silent. */
function clusterMetricsOf(serving: readonly HpaPod[]): ReadonlyMap<string, number> {
  const known = new Map<string, number>()
  for (const [name, { metric, summary }] of clusterMetrics) {
    const values = serving.flatMap(({ milliByMetric }) => milliByMetric.get(metric) ?? [])
    if (values.length === 0 || values.length < serving.length) continue
    known.set(name, summarize(values, summary))
  }
  return known
}
