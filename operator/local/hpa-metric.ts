import { assert } from '../../base/assert.ts'

/** One pod (here: broker process) as the autoscaler sees it. Terminating ones are left out. */
export interface HpaPod {
  readonly name: string
  /** Pending: not yet started (Kubernetes: phase Pending). Running says nothing of readiness. */
  readonly phase: 'pending' | 'running'
  /** Thousandths of each metric's unit. A metric that is absent was not measured. */
  readonly milliByMetric: ReadonlyMap<string, number>
}

export interface HpaTolerance {
  /** Shares: with 0.1, a ratio from 0.9 to 1.1 changes nothing. */
  readonly scaleUp: number
  readonly scaleDown: number
}

export type MetricProposal =
  | { readonly kind: 'measured'; readonly replicas: number; readonly averageMilli: number }
  | { readonly kind: 'missing' }

/**
 * How many pods one metric of type Pods asks for: ceil(pods × average / target), as computed by
 * Kubernetes (calcPlainMetricReplicas in pkg/controller/podautoscaler/replica_calculator.go).
 * Pods that were not measured make the answer more cautious: they count as being on target when
 * the others say "fewer", and as idle when they say "more". No measurement at all: `missing`.
 */
export function proposeReplicas(
  pods: readonly HpaPod[],
  options: {
    readonly metric: string
    readonly targetMilli: number
    readonly currentReplicas: number
    readonly tolerance: HpaTolerance
  },
): MetricProposal {
  const { targetMilli, currentReplicas, tolerance } = options
  assert(targetMilli > 0, 'a target is positive')
  const measured: number[] = []
  let pendingCount = 0
  let missingCount = 0
  for (const pod of pods) {
    const milli = pod.milliByMetric.get(options.metric)
    if (pod.phase === 'pending') pendingCount += 1
    else if (milli === undefined) missingCount += 1
    else measured.push(milli)
  }
  if (measured.length === 0) return { kind: 'missing' }

  const averageMilli = average(measured)
  const propose = (replicas: number): MetricProposal => ({
    kind: 'measured',
    replicas,
    averageMilli,
  })
  const ratio = averageMilli / targetMilli
  const pendingCounts = pendingCount > 0 && ratio > 1
  if (!pendingCounts && missingCount === 0) {
    if (isWithin(tolerance, ratio)) return propose(currentReplicas)
    return propose(Math.ceil(ratio * measured.length))
  }

  if (ratio < 1) for (let i = 0; i < missingCount; i++) measured.push(targetMilli)
  if (ratio > 1) for (let i = 0; i < missingCount; i++) measured.push(0)
  if (pendingCounts) for (let i = 0; i < pendingCount; i++) measured.push(0)
  const cautious = average(measured) / targetMilli
  const turned = (ratio < 1 && cautious > 1) || (ratio > 1 && cautious < 1)
  if (turned || isWithin(tolerance, cautious)) return propose(currentReplicas)
  const replicas = Math.ceil(cautious * measured.length)
  // The number measured may differ from the number wanted; it must not reverse the direction.
  const reversed =
    (cautious < 1 && replicas > currentReplicas) || (cautious > 1 && replicas < currentReplicas)
  return propose(reversed ? currentReplicas : replicas)
}

/** Whole thousandths, rounded down, so that edges fall where Kubernetes' integers put them. */
function average(values: readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return Math.floor(sum / values.length)
}

/**
 * How many pods one metric of type Object asks for, as computed by Kubernetes
 * (GetObjectMetricReplicas and GetObjectPerPodMetricReplicas of the same file): ceil(ready pods ×
 * value / target) with a target of type Value, ceil(value / target) with one of type AverageValue.
 * `milli` is null when it is not known.
 */
export function proposeReplicasForObject(
  pods: readonly HpaPod[],
  options: {
    readonly milli: number | null
    readonly targetMilli: number
    readonly isPerPod: boolean
    readonly currentReplicas: number
    readonly tolerance: HpaTolerance
  },
): MetricProposal {
  const { milli, targetMilli, isPerPod, currentReplicas } = options
  assert(targetMilli > 0, 'a target is positive')
  if (milli === null) return { kind: 'missing' }
  const podCount = pods.length
  const readyCount = pods.filter(({ milliByMetric }) => milliByMetric.size > 0).length
  const averageMilli = isPerPod ? Math.ceil(milli / Math.max(1, podCount)) : milli
  const ratio = isPerPod ? milli / (targetMilli * podCount) : milli / targetMilli
  let replicas = Math.ceil(isPerPod ? milli / targetMilli : ratio * readyCount)
  if (isWithin(options.tolerance, ratio)) replicas = isPerPod ? podCount : currentReplicas
  return { kind: 'measured', replicas, averageMilli }
}

function isWithin(tolerance: HpaTolerance, ratio: number): boolean {
  return 1 - tolerance.scaleDown <= ratio && ratio <= 1 + tolerance.scaleUp
}
