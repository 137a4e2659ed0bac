import { inRemovalOrder } from '../brokers/removal-order.ts'
import type { Broker } from './pods.ts'

/**
 * After the deletion cost is written, whoever removes pods must have seen it: it reads from a
 * cache. Readiness that failed meanwhile proves that it did; else this much time has to do.
 */
const COST_SEEN_MS = 1_500
/** How soon a drain is looked at again; the metadata log tells of most changes sooner. */
const DRAIN_LOOK_MS = 500

export interface ScaleInput {
  readonly nowMs: number
  /** How many brokers there shall be. */
  readonly desired: number
  /** What the Deployment asks for now; null: there is none yet. */
  readonly replicas: number | null
  readonly brokers: readonly Broker[]
  /** Whether it is known who owns what. Without that no broker is removed. */
  readonly isOwnershipKnown: boolean
  /**
   * Whether brokers lead the cluster where the operator cannot look. Then nobody is emptied before it
   * goes: each empties itself when it is asked to end, and one goes at a time.
   */
  readonly isLedByBrokers: boolean
  /** How many are there only until they have taken the place of others. */
  readonly surge: number
  /** Whether a drain may begin; one that runs goes on in any case. */
  readonly mayBegin: boolean
  readonly drainMsMax: number
}

export interface ScalePlan {
  /** How many there shall be in the end. */
  readonly desired: number
  /** For the Deployment. */
  readonly replicas: number
  readonly begin: readonly Broker[]
  /** Drains that are not needed any more. */
  readonly cancel: readonly Broker[]
  /** Empty, or out of time: they get their deletion cost. */
  readonly finish: readonly Broker[]
  readonly timedOut: readonly Broker[]
  /** Nodes that the controller has to empty from now on, or not to empty any more. */
  readonly drainNodes: readonly number[]
  readonly undrainNodes: readonly number[]
  readonly requeueAfterMs: number | null
}

/**
 * The next step of scaling. In this order, each step seen before the next: label draining, move,
 * deletion cost, lower the Deployment's replicas. All that it remembers is in the pods and the
 * Deployment, so it goes on wherever another operator stopped. There are as many draining brokers as
 * the Deployment has replicas too many: growing again therefore cancels drains, and never waits.
 */
export function planScale(input: ScaleInput): ScalePlan {
  const { desired, nowMs, isLedByBrokers } = input
  const mayAct = input.isOwnershipKnown || isLedByBrokers
  const living = input.brokers.filter((broker) => !broker.isTerminating)
  const draining = living.filter((broker) => broker.drainingSinceMs !== null)
  const replicas = Math.max(input.replicas ?? desired, desired)
  // Lowered already, but not yet removed.
  const surplus = Math.max(0, living.length - replicas - input.surge)
  const drainsWanted = replicas - desired

  // A pod keeps its label until its node can be told: nobody else remembers who drained it.
  const cancelCount = mayAct ? Math.max(0, draining.length - drainsWanted - surplus) : 0
  const cancel = byReadinessToStay(draining).slice(0, cancelCount)
  const staying = draining.filter((broker) => !cancel.includes(broker))
  // Where pods were lost, those that are left do not also drain before others are there.
  const spare = living.length - draining.length - desired
  const beginCount = Math.max(0, Math.min(drainsWanted - draining.length, spare))
  const candidates = input.surge === 0 ? living : living.filter((broker) => broker.isReady)
  const begin = input.mayBegin && mayAct ? cheapest(candidates, beginCount) : []
  if (isLedByBrokers) begin.splice(maySendAway(input, living) ? 1 : 0)

  const isDone = (broker: Broker): boolean => isLedByBrokers || isEmpty(broker)
  const timedOut = staying.filter((each) => !isDone(each) && isOutOfTime(each, input))
  const done = mayAct ? staying.filter((broker) => isDone(broker) || timedOut.includes(broker)) : []
  const finish = done.filter((broker) => broker.drainedAtMs === null || !broker.hasDeletionCost)
  const removable = done.filter((broker) => !finish.includes(broker) && isSeen(broker, nowMs))
  const lowering = Math.min(Math.max(0, removable.length - surplus), drainsWanted)

  const isUnderway = staying.length > 0 || begin.length > 0
  return {
    desired,
    replicas: replicas - lowering,
    begin,
    cancel,
    finish,
    timedOut: timedOut.filter((broker) => finish.includes(broker)),
    drainNodes: [...staying, ...begin].flatMap(({ node }) =>
      node?.state === 'active' ? [node.nodeId] : [],
    ),
    undrainNodes: cancel.flatMap(({ node }) => (node?.state === 'draining' ? [node.nodeId] : [])),
    requeueAfterMs: isUnderway ? DRAIN_LOOK_MS : null,
  }
}

/** Whether one more may go that has yet to empty itself: all others serve, and none is going. */
function maySendAway({ brokers }: ScaleInput, living: readonly Broker[]): boolean {
  const isCalm = living.every((broker) => broker.isReady && broker.drainingSinceMs === null)
  return isCalm && living.length === brokers.length
}

/** Nothing to move: it never served, was taken over, or gave everything away. */
function isEmpty({ node, isReady }: Broker): boolean {
  if (node === null) return !isReady
  return node.state === 'sealed' || (node.state === 'draining' && node.partitions === 0)
}

/** Its data is in the store: who ends it now makes others take over, and loses nothing. */
function isOutOfTime(broker: Broker, { nowMs, drainMsMax }: ScaleInput): boolean {
  return nowMs - (broker.drainingSinceMs ?? nowMs) >= drainMsMax
}

function isSeen(broker: Broker, nowMs: number): boolean {
  return !broker.isReady || nowMs - (broker.drainedAtMs ?? nowMs) >= COST_SEEN_MS
}

function cheapest(living: readonly Broker[], count: number): Broker[] {
  const candidates = living
    .filter((broker) => broker.drainingSinceMs === null)
    .map((broker, sequence) => ({
      broker,
      ready: broker.isReady,
      partitions: broker.node?.partitions ?? 0,
      bytesPerSecond: broker.bytesPerSecond,
      controller: broker.isController,
      sequence,
    }))
  return inRemovalOrder(candidates)
    .slice(0, count)
    .map(({ broker }) => broker)
}

/** Those first that would serve most if they stayed: ready, and with most partitions left. */
function byReadinessToStay(draining: readonly Broker[]): Broker[] {
  return [...draining].sort(
    (a, b) =>
      Number(b.isReady) - Number(a.isReady) ||
      Number(b.node?.state !== 'sealed') - Number(a.node?.state !== 'sealed') ||
      (b.node?.partitions ?? 0) - (a.node?.partitions ?? 0) ||
      b.createdAtMs - a.createdAtMs,
  )
}
