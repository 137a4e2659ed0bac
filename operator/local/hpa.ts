import { assert } from '../../base/assert.ts'
import {
  limitRate,
  stabilize,
  type HpaMemory,
  type RateLimit,
  type ScalingRules,
} from './hpa-behavior.ts'
import {
  type HpaPod,
  type HpaTolerance,
  proposeReplicas,
  proposeReplicasForObject,
} from './hpa-metric.ts'

/**
 * Kubernetes' HorizontalPodAutoscaler for a local run: the same decisions from the same
 * measurements, so that what is tried on a laptop holds in a cluster. Written after the published
 * algorithm (autoscaling/v2, controller of Kubernetes 1.36), for metrics of type Pods and Object.
 * Pure: time comes in as a number and memory goes in and out.
 */
export interface HpaSpec {
  readonly minReplicas: number
  readonly maxReplicas: number
  readonly metrics: readonly HpaMetric[]
  readonly tolerance: HpaTolerance
  readonly scaleUp: ScalingRules
  readonly scaleDown: ScalingRules
}

/**
 * What is compared with the target. `pods`: the mean of a broker's metric. `object`: a metric of the
 * cluster as it is. `object-per-pod`: that, divided by the number of pods.
 */
export type Compared = 'pods' | 'object' | 'object-per-pod'

export interface HpaMetric {
  readonly name: string
  readonly compared: Compared
  readonly targetMilli: number
}

/** What an autoscaler sees when it looks. */
export interface HpaSight {
  readonly nowMs: number
  readonly currentReplicas: number
  readonly pods: readonly HpaPod[]
  /** Metrics of the cluster; those that are not known are absent. */
  readonly milliByClusterMetric: ReadonlyMap<string, number>
}

export interface MetricStatus extends HpaMetric {
  /** What was compared with the target, or null when it was not measured. */
  readonly averageMilli: number | null
  /** How many pods this metric alone asks for. */
  readonly proposedReplicas: number | null
}

export interface HpaDecision {
  readonly desiredReplicas: number
  /**
   * - `below-min`, `above-max`: the number was outside the bounds; metrics were not asked.
   * - `no-metrics`: none was measured, or some were not and the others say "fewer".
   * - `metrics`: the metrics decided, within what `stabilized` and `limit` say.
   */
  readonly basis: 'below-min' | 'above-max' | 'no-metrics' | 'metrics'
  readonly metrics: readonly MetricStatus[]
  /** The metric that asks for the most pods. */
  readonly decidingMetric: string | null
  /** What that metric asks for. */
  readonly recommendedReplicas: number | null
  /** A recommendation of the recent past keeps the number from following this one. */
  readonly stabilized: boolean
  readonly limit: RateLimit
}

/**
 * The memory of an autoscaler that begins. The present number counts as a recommendation, so that
 * nothing is removed before a whole scale-down window was seen.
 */
export function initialHpaMemory(options: {
  readonly nowMs: number
  readonly currentReplicas: number
}): HpaMemory {
  return {
    recommendations: [{ atMs: options.nowMs, replicas: options.currentReplicas }],
    scaleUps: [],
    scaleDowns: [],
  }
}

/** One look: what to do now, and what to remember, on the premise that it is done. */
export function decideReplicas(
  spec: HpaSpec,
  memory: HpaMemory,
  now: HpaSight,
): { readonly decision: HpaDecision; readonly memory: HpaMemory } {
  const { nowMs, currentReplicas } = now
  assert(currentReplicas >= 1, 'zero replicas switch an autoscaler off')
  if (currentReplicas > spec.maxReplicas || currentReplicas < spec.minReplicas) {
    const above = currentReplicas > spec.maxReplicas
    const desiredReplicas = above ? spec.maxReplicas : spec.minReplicas
    return {
      decision: { ...UNMEASURED, desiredReplicas, basis: above ? 'above-max' : 'below-min' },
      memory: remember(spec, memory, { nowMs, from: currentReplicas, to: desiredReplicas }),
    }
  }

  const metrics = measure(spec, now)
  const deciding = mostDemanding(metrics)
  const recommended = deciding?.proposedReplicas ?? null
  const someMissing = metrics.some((metric) => metric.proposedReplicas === null)
  if (recommended === null || (someMissing && recommended < currentReplicas)) {
    return {
      decision: { ...UNMEASURED, desiredReplicas: currentReplicas, metrics },
      memory,
    }
  }

  const { recommendations } = memory
  const stabilized = stabilize(recommended, { ...spec, nowMs, currentReplicas, recommendations })
  const limited = limitRate(stabilized, { ...spec, nowMs, currentReplicas, memory })
  const windowMs = Math.max(
    spec.scaleUp.stabilizationWindowMs,
    spec.scaleDown.stabilizationWindowMs,
  )
  const recommendation = { atMs: nowMs, replicas: recommended }
  const remembered = remember(
    spec,
    { ...memory, recommendations: keep(recommendations, recommendation, windowMs) },
    { nowMs, from: currentReplicas, to: limited.replicas },
  )
  const decision: HpaDecision = {
    desiredReplicas: limited.replicas,
    basis: 'metrics',
    metrics,
    decidingMetric: deciding?.name ?? null,
    recommendedReplicas: recommended,
    stabilized: stabilized !== recommended,
    limit: limited.limit,
  }
  return { decision, memory: remembered }
}

const UNMEASURED = {
  basis: 'no-metrics',
  metrics: [],
  decidingMetric: null,
  recommendedReplicas: null,
  stabilized: false,
  limit: 'none',
} as const

function measure(spec: HpaSpec, now: HpaSight): MetricStatus[] {
  const { tolerance } = spec
  const { pods, currentReplicas } = now
  return spec.metrics.map((metric) => {
    const { name, compared, targetMilli } = metric
    const common = { targetMilli, currentReplicas, tolerance }
    const proposal =
      compared === 'pods'
        ? proposeReplicas(pods, { metric: name, ...common })
        : proposeReplicasForObject(pods, {
            milli: now.milliByClusterMetric.get(name) ?? null,
            isPerPod: compared === 'object-per-pod',
            ...common,
          })
    const measured = proposal.kind === 'measured'
    return {
      ...metric,
      averageMilli: measured ? proposal.averageMilli : null,
      proposedReplicas: measured ? proposal.replicas : null,
    }
  })
}

function mostDemanding(metrics: readonly MetricStatus[]): MetricStatus | null {
  let most: MetricStatus | null = null
  for (const metric of metrics) {
    if (metric.proposedReplicas === null) continue
    if (most === null || metric.proposedReplicas > (most.proposedReplicas ?? 0)) most = metric
  }
  return most
}

/** Adds the change, if there is one. */
function remember(
  spec: HpaSpec,
  memory: HpaMemory,
  change: { readonly nowMs: number; readonly from: number; readonly to: number },
): HpaMemory {
  const { nowMs, from, to } = change
  if (to === from) return memory
  const event = { atMs: nowMs, change: Math.abs(to - from) }
  const { scaleUp, scaleDown } = spec
  return to > from
    ? { ...memory, scaleUps: keep(memory.scaleUps, event, periodMsMax(scaleUp)) }
    : { ...memory, scaleDowns: keep(memory.scaleDowns, event, periodMsMax(scaleDown)) }
}

function periodMsMax(rules: ScalingRules): number {
  return Math.max(0, ...rules.policies.map((policy) => policy.periodMs))
}

/**
 * Adds `entry` in place of one that is older than `ageMsMax`, which bounds the list. Kubernetes
 * does exactly this, and it shows: a policy with a longer period than all of the other direction
 * sees that direction's older events only until they are replaced.
 */
function keep<T extends { readonly atMs: number }>(
  list: readonly T[],
  entry: T,
  ageMsMax: number,
): readonly T[] {
  const outdated = list.findLastIndex(({ atMs }) => entry.atMs - atMs > ageMsMax)
  return outdated === -1 ? [...list, entry] : list.with(outdated, entry)
}
