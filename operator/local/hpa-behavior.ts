export interface ScalingPolicy {
  readonly type: 'Pods' | 'Percent'
  readonly value: number
  readonly periodMs: number
}

export interface ScalingRules {
  readonly stabilizationWindowMs: number
  readonly selectPolicy: 'Max' | 'Min' | 'Disabled'
  readonly policies: readonly ScalingPolicy[]
}

export interface Recommendation {
  readonly atMs: number
  readonly replicas: number
}

/** A change that was made. `change` is positive in both directions. */
export interface ScaleEvent {
  readonly atMs: number
  readonly change: number
}

/** What the autoscaler remembers between two looks. Kubernetes keeps the same in memory. */
export interface HpaMemory {
  readonly recommendations: readonly Recommendation[]
  readonly scaleUps: readonly ScaleEvent[]
  readonly scaleDowns: readonly ScaleEvent[]
}

/**
 * Bounds `recommended` by what was recommended before: not above the lowest of the scale-up
 * window, not below the highest of the scale-down window. Between the two, nothing changes
 * (stabilizeRecommendationWithBehaviors in pkg/controller/podautoscaler/horizontal.go).
 */
export function stabilize(
  recommended: number,
  options: {
    readonly nowMs: number
    readonly currentReplicas: number
    readonly recommendations: readonly Recommendation[]
    readonly scaleUp: ScalingRules
    readonly scaleDown: ScalingRules
  },
): number {
  let lowest = recommended
  let highest = recommended
  for (const { atMs, replicas } of options.recommendations) {
    const ageMs = options.nowMs - atMs
    if (ageMs < options.scaleUp.stabilizationWindowMs) lowest = Math.min(lowest, replicas)
    if (ageMs < options.scaleDown.stabilizationWindowMs) highest = Math.max(highest, replicas)
  }
  return Math.min(Math.max(options.currentReplicas, lowest), highest)
}

export type RateLimit =
  | 'none'
  | 'scale-up-rate'
  | 'scale-down-rate'
  | 'max-replicas'
  | 'min-replicas'

/**
 * Bounds `stabilized` by the policies and by min and max, and says which bound it met
 * (convertDesiredReplicasWithBehaviorRate, same file).
 */
export function limitRate(
  stabilized: number,
  options: {
    readonly nowMs: number
    readonly currentReplicas: number
    readonly minReplicas: number
    readonly maxReplicas: number
    readonly memory: HpaMemory
    readonly scaleUp: ScalingRules
    readonly scaleDown: ScalingRules
  },
): { readonly replicas: number; readonly limit: RateLimit } {
  const { currentReplicas, minReplicas, maxReplicas } = options
  if (stabilized > currentReplicas) {
    const rate = Math.max(scaleUpLimit(options), currentReplicas)
    const allowed = Math.min(rate, maxReplicas)
    if (stabilized <= allowed) return { replicas: stabilized, limit: 'none' }
    return { replicas: allowed, limit: rate < maxReplicas ? 'scale-up-rate' : 'max-replicas' }
  }
  if (stabilized < currentReplicas) {
    const rate = Math.min(scaleDownLimit(options), currentReplicas)
    const allowed = Math.max(rate, minReplicas)
    if (stabilized >= allowed) return { replicas: stabilized, limit: 'none' }
    return { replicas: allowed, limit: rate > minReplicas ? 'scale-down-rate' : 'min-replicas' }
  }
  return { replicas: stabilized, limit: 'none' }
}

interface LimitInput {
  readonly nowMs: number
  readonly currentReplicas: number
  readonly memory: HpaMemory
  readonly scaleUp: ScalingRules
  readonly scaleDown: ScalingRules
}

function scaleUpLimit(input: LimitInput): number {
  const { selectPolicy, policies } = input.scaleUp
  if (selectPolicy === 'Disabled') return input.currentReplicas
  const limits = policies.map((policy) => {
    const start = replicasAtPeriodStart(policy, input)
    if (policy.type === 'Pods') return start + policy.value
    // Rounded up, or a small percentage of few pods would never add one.
    return Math.ceil(start * (1 + policy.value / 100))
  })
  return selectPolicy === 'Min' ? Math.min(...limits) : Math.max(...limits)
}

function scaleDownLimit(input: LimitInput): number {
  const { selectPolicy, policies } = input.scaleDown
  if (selectPolicy === 'Disabled') return input.currentReplicas
  const limits = policies.map((policy) => {
    const start = replicasAtPeriodStart(policy, input)
    if (policy.type === 'Pods') return start - policy.value
    return Math.trunc(start * (1 - policy.value / 100))
  })
  // The largest change downwards is the lowest number.
  return selectPolicy === 'Min' ? Math.max(...limits) : Math.min(...limits)
}

/** The number of pods when the policy's period began, from the changes made since. */
function replicasAtPeriodStart(policy: ScalingPolicy, input: LimitInput): number {
  const added = changeWithin(policy.periodMs, input.nowMs, input.memory.scaleUps)
  const removed = changeWithin(policy.periodMs, input.nowMs, input.memory.scaleDowns)
  return input.currentReplicas - added + removed
}

function changeWithin(periodMs: number, nowMs: number, events: readonly ScaleEvent[]): number {
  let change = 0
  for (const event of events) if (nowMs - event.atMs < periodMs) change += event.change
  return change
}
