import type { StreamClusterSpec } from '../api/stream-cluster.ts'
import { REPLICAS_DEFAULT } from '../api/stream-cluster.ts'
import { desiredChildren, toApply, toRemove } from './children.ts'
import { rolloutFaultOf, surgeOf } from './conditions.ts'
import { planDeletion } from './deletion.ts'
import { type PlannedEvent, planEvents } from './events.ts'
import { FINALIZER_STORE } from './labels.ts'
import { childOf, type Observed } from './observed.ts'
import { type Broker, brokersOf } from './pods.ts'
import { podPatches } from './pod-patches.ts'
import { hotChanges } from './resources/config-map.ts'
import { type ChildContext, childNames } from './resources/context.ts'
import type { Plan } from './plan-steps.ts'
import { planScale, type ScalePlan } from './scale.ts'
import { planSlots, type SlotPlan } from './slots.ts'
import type { Situation } from './situation.ts'
import { statusOf } from './status.ts'
import { type Stall, stallOf } from './stall.ts'

const NOTHING: Plan = {
  brokersExpected: null,
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
/** A Secret is mostly on its way, and nobody tells of it; see Secrets. */
const SECRET_LOOK_MS = 5_000

/**
 * The plan for what was observed. Pure, and nothing to do where all is as it should be. `refusal`: what
 * the API server said to a part of this very plan; it stands in the status then.
 */
export function planCluster(observed: Observed, refusal: string | null = null): Plan {
  const { cluster } = observed
  if (cluster.deletedAtMs !== null) return { ...NOTHING, ...planDeletion(observed) }
  const brokers = brokersOf(observed)
  const stall = stallOf(observed)
  const { spec } = cluster
  if (spec === null || spec.paused || stall !== null) {
    const isPaused = stall === null && spec?.paused === true
    const idle = { isChanging: false, scale: null }
    const situation: Situation = { observed, brokers, spec, stall, isPaused, ...idle }
    const lookMs = stall?.reason === 'SecretMissing' ? SECRET_LOOK_MS : STALLED_LOOK_MS
    const requeueAfterMs = isPaused ? null : lookMs
    // What waits for its address would wait for ever: whoever was there before it has gone.
    const slots = planSlots(observed, spec?.listeners ?? [], brokers, replicasOf(observed) ?? 0)
    const pods = podPatches(observed.nowMs, { begin: [], finish: [], cancel: [] }, slots)
    return { ...NOTHING, pods, ...withStatus(situation, []), requeueAfterMs }
  }
  return planRunning(observed, spec, { brokers, stall: hindrance(observed, refusal) })
}

/** What needs a person although the operator goes on with everything else. */
function hindrance(observed: Observed, refusal: string | null): Stall | null {
  if (refusal !== null) return { reason: 'ApplyFailed', message: refusal }
  const fault = rolloutFaultOf(observed)
  return fault === null ? null : { reason: 'RolloutFailed', message: fault }
}

function planRunning(
  observed: Observed,
  spec: StreamClusterSpec,
  about: { readonly brokers: readonly Broker[]; readonly stall: Stall | null },
): Plan {
  const { brokers, stall } = about
  const { cluster, operator, ownership, secrets } = observed
  const { name, namespace, uid } = cluster
  const context: ChildContext = { name, namespace, uid, spec, secrets, operator }
  const scale = planScale({
    nowMs: observed.nowMs,
    desired: desiredReplicas(spec),
    replicas: replicasOf(observed),
    brokers,
    isOwnershipKnown: ownership !== null,
    isLedByBrokers: observed.store.outcome === 'unseen',
    surge: surgeOf(observed),
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
  const remove = toRemove(desired, observed)
  const isChanging = configs.length + apply.length + remove.length > 0
  const situation = { observed, brokers, spec, stall, isPaused: false, isChanging, scale }
  const events = planEvents(observed, { scale, configs, apply })
  return {
    ...NOTHING,
    brokersExpected: scale.desired,
    addFinalizer: mustFinalize && !hasFinalizer,
    configs,
    undrainNodes: scale.undrainNodes,
    pods: podPatches(observed.nowMs, scale, slots),
    drainNodes: scale.drainNodes,
    apply,
    remove,
    removeFinalizer: !mustFinalize && hasFinalizer,
    ...withStatus(situation, events),
    requeueAfterMs: requeueOf(scale, slots, brokers),
  }
}

/** How many brokers there shall be; an autoscaler's bounds hold whoever wrote replicas. */
function desiredReplicas(spec: StreamClusterSpec): number {
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
  // One that is silent may be the busiest of all. Where nobody serves, nothing says that load is low.
  return serving.length > 0 && serving.every(({ name }) => observed.reports.has(name))
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
