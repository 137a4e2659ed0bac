import type { StreamClusterSpec } from '../api/stream-cluster.ts'
import { REPLICAS_DEFAULT } from '../api/stream-cluster.ts'
import type { StreamClusterStatus } from '../api/stream-cluster-status.ts'
import type { KubeObject } from '../kube/objects.ts'
import { type ChildName, desiredChildren, toApply, toRemove } from './children.ts'
import { planDeletion } from './deletion.ts'
import { type PlannedEvent, planEvents } from './events.ts'
import { FINALIZER_STORE } from './labels.ts'
import { childOf, type Observed } from './observed.ts'
import { type Broker, brokersOf } from './pods.ts'
import { type PodPatch, podPatches } from './pod-patches.ts'
import { type ConfigChange, hotChanges } from './resources/config-map.ts'
import { type ChildContext, childNames } from './resources/context.ts'
import { planScale, type ScalePlan } from './scale.ts'
import { planSlots, type SlotPlan } from './slots.ts'
import { type Situation, statusOf } from './status.ts'
import { stallOf } from './stall.ts'

/**
 * What to do, to be done in the order of the fields. A step that fails ends the pass; the next one
 * finds what was done and goes on. Doing a step twice does no harm.
 */
export interface Plan {
  readonly addFinalizer: boolean
  /** Before the ConfigMap is applied, which is the memory of what was set. */
  readonly configs: readonly ConfigChange[]
  /** Before the pods lose their label, which is the memory of who drained them. */
  readonly undrainNodes: readonly number[]
  readonly pods: readonly PodPatch[]
  /** After the pods have their label: autoscalers must not count what is being emptied. */
  readonly drainNodes: readonly number[]
  /** Whole objects, for server-side apply. */
  readonly apply: readonly KubeObject[]
  readonly remove: readonly ChildName[]
  /** Delete everything under the cluster's prefix, before the finalizer is removed. */
  readonly emptyStore: boolean
  readonly removeFinalizer: boolean
  /** Null: it is what it should be. */
  readonly status: StreamClusterStatus | null
  readonly events: readonly PlannedEvent[]
  /** When to look again though nothing was heard; null: no need. */
  readonly requeueAfterMs: number | null
}

/** One thing to do. */
export type PlanStep =
  | { readonly kind: 'add-finalizer' | 'empty-store' | 'remove-finalizer' }
  | { readonly kind: 'config'; readonly change: ConfigChange }
  | { readonly kind: 'undrain' | 'drain'; readonly nodeId: number }
  | { readonly kind: 'pod'; readonly patch: PodPatch }
  | { readonly kind: 'apply'; readonly object: KubeObject }
  | { readonly kind: 'remove'; readonly child: ChildName }
  | { readonly kind: 'status'; readonly status: StreamClusterStatus }

/** The plan's steps in their order. A plan without steps is one of a settled cluster. */
export function stepsOf(plan: Plan): PlanStep[] {
  return [
    ...(plan.addFinalizer ? [{ kind: 'add-finalizer' } as const] : []),
    ...plan.configs.map((change) => ({ kind: 'config', change }) as const),
    ...plan.undrainNodes.map((nodeId) => ({ kind: 'undrain', nodeId }) as const),
    ...plan.pods.map((patch) => ({ kind: 'pod', patch }) as const),
    ...plan.drainNodes.map((nodeId) => ({ kind: 'drain', nodeId }) as const),
    ...plan.apply.map((object) => ({ kind: 'apply', object }) as const),
    ...plan.remove.map((child) => ({ kind: 'remove', child }) as const),
    ...(plan.emptyStore ? [{ kind: 'empty-store' } as const] : []),
    // Before the finalizer goes: afterwards there may be nothing left to write it to.
    ...(plan.status === null ? [] : [{ kind: 'status', status: plan.status } as const]),
    ...(plan.removeFinalizer ? [{ kind: 'remove-finalizer' } as const] : []),
  ]
}

const NOTHING: Plan = {
  addFinalizer: false,
  configs: [],
  undrainNodes: [],
  pods: [],
  drainNodes: [],
  apply: [],
  remove: [],
  emptyStore: false,
  removeFinalizer: false,
  status: null,
  events: [],
  requeueAfterMs: null,
}

/** A pass that waits for a person, or for a store that is away, is repeated this often. */
const STALLED_LOOK_MS = 30_000

/** The plan for what was observed. Pure, and nothing to do where all is as it should be. */
export function planCluster(observed: Observed): Plan {
  const { cluster } = observed
  if (cluster.deletedAtMs !== null) return { ...NOTHING, ...planDeletion(observed) }
  const brokers = brokersOf(observed)
  const stall = stallOf(observed)
  const { spec } = cluster
  if (spec === null || spec.paused || stall !== null) {
    const isPaused = stall === null && spec?.paused === true
    const situation: Situation = { observed, brokers, spec, stall, isPaused, scale: null }
    const requeueAfterMs = isPaused ? null : STALLED_LOOK_MS
    return { ...NOTHING, ...withStatus(situation, []), requeueAfterMs }
  }
  return planRunning(observed, spec, brokers)
}

function planRunning(
  observed: Observed,
  spec: StreamClusterSpec,
  brokers: readonly Broker[],
): Plan {
  const { cluster, operator, ownership, secrets } = observed
  const { name, namespace, uid } = cluster
  const context: ChildContext = { name, namespace, uid, spec, secrets, operator }
  const scale = planScale({
    nowMs: observed.nowMs,
    desired: desiredReplicas(spec),
    replicas: replicasOf(observed),
    brokers,
    isOwnershipKnown: ownership !== null,
    mayBegin: isMeasured(observed, spec, brokers),
    drainMsMax: spec.rebalance.drainTimeoutSeconds * 1000,
  })
  const slots = planSlots(observed, spec.listeners, brokers, scale.replicas)
  const counts = { replicas: scale.replicas, slots: slots.count }
  const desired = desiredChildren(context, counts)
  const before = childOf(observed, 'ConfigMap', childNames.config(name))
  const configs = ownership === null ? [] : hotChanges(spec, before, ownership.configs)
  const apply = toApply(desired, observed).filter(
    // It is the memory of what was set while brokers run; see hotChanges.
    ({ kind }) => kind !== 'ConfigMap' || ownership !== null || before === null,
  )
  const mustFinalize = spec.deletionPolicy === 'Delete'
  const hasFinalizer = cluster.finalizers.includes(FINALIZER_STORE)
  const situation = { observed, brokers, spec, stall: null, isPaused: false, scale }
  const events = planEvents(observed, { scale, configs, apply })
  return {
    ...NOTHING,
    addFinalizer: mustFinalize && !hasFinalizer,
    configs,
    undrainNodes: scale.undrainNodes,
    pods: podPatches(observed.nowMs, scale, slots),
    drainNodes: scale.drainNodes,
    apply,
    remove: toRemove(desired, observed),
    removeFinalizer: !mustFinalize && hasFinalizer,
    ...withStatus(situation, events),
    requeueAfterMs: requeueOf(scale, slots, brokers),
  }
}

/** How many brokers there shall be; an autoscaler's bounds hold whoever wrote replicas. */
export function desiredReplicas(spec: StreamClusterSpec): number {
  const { autoscaling, replicas = REPLICAS_DEFAULT } = spec
  if (autoscaling === undefined || autoscaling.mode === 'None') return replicas
  return Math.min(Math.max(replicas, autoscaling.minReplicas), autoscaling.maxReplicas)
}

function replicasOf(observed: Observed): number | null {
  const found = childOf(observed, 'Deployment', childNames.deployment(observed.cluster.name))
  const spec = found?.spec as { replicas?: number } | undefined
  return spec?.replicas ?? null
}

/**
 * Whether brokers may be removed for want of load. An autoscaler that sees no metrics decides
 * nothing, but its last decision may stand on the first moments of an outage.
 */
function isMeasured(
  observed: Observed,
  spec: StreamClusterSpec,
  brokers: readonly Broker[],
): boolean {
  if (spec.autoscaling === undefined || spec.autoscaling.mode === 'None') return true
  const serving = brokers.filter((each) => each.isReady && !each.isTerminating)
  return serving.length === 0 || serving.some(({ name }) => observed.reports.has(name))
}

function withStatus(
  situation: Situation,
  events: readonly PlannedEvent[],
): Pick<Plan, 'status' | 'events'> {
  const { status, transitions } = statusOf(situation)
  return { status, events: [...events, ...transitions] }
}

/** Services get addresses and pods get started without the operator's doing: that is watched. */
function requeueOf(scale: ScalePlan, slots: SlotPlan, brokers: readonly Broker[]): number | null {
  const isGated = brokers.some((broker) => broker.isGated) || slots.grants.length > 0
  return scale.requeueAfterMs ?? (isGated ? STALLED_LOOK_MS : null)
}
