import type { Condition, StreamClusterStatus } from '../api/stream-cluster-status.ts'
import { childOf, type Observed } from './observed.ts'
import type { Broker } from './pods.ts'
import { childNames } from './resources/context.ts'
import type { Situation } from './situation.ts'

export interface ConditionFacts extends Situation {
  readonly active: readonly Broker[]
  readonly draining: readonly Broker[]
  readonly listeners: NonNullable<StreamClusterStatus['listeners']>
}

type Undated = Omit<Condition, 'lastTransitionTime'>
type Verdict = readonly [status: Condition['status'], reason: string, message: string]

/** A Deployment as it is read, as far as it matters here. */
interface DeploymentFacts {
  readonly generation: number
  readonly replicas: number
  readonly observedGeneration: number
  readonly statusReplicas: number
  readonly updatedReplicas: number
  readonly availableReplicas: number
}

/** More brokers than asked for, while new ones take the place of old ones. */
export function surgeOf(observed: Observed): number {
  const facts = deploymentFacts(observed)
  if (facts === null || facts.updatedReplicas >= facts.statusReplicas) return 0
  return Math.min(1, Math.max(0, facts.statusReplicas - facts.replicas))
}

/** What Kubernetes says that hinders the Deployment, or null. */
export function rolloutFaultOf(observed: Observed): string | null {
  const found = childOf(observed, 'Deployment', childNames.deployment(observed.cluster.name))
  const { conditions = [] } = (found?.status ?? {}) as {
    conditions?: readonly { type: string; status: string; reason?: string; message?: string }[]
  }
  const fault = conditions.find(
    ({ type, status, reason }) =>
      (type === 'ReplicaFailure' && status === 'True') ||
      (type === 'Progressing' && status === 'False' && reason === 'ProgressDeadlineExceeded'),
  )
  return fault === undefined ? null : `${fault.reason}: ${fault.message}`
}

/**
 * The conditions, in kstatus' sense: `Reconciling` and `Stalled` are abnormal when true, `Ready` says
 * whether clients are served. Only `Stalled` says that it needs a person.
 */
export function conditionsOf(facts: ConditionFacts): Undated[] {
  const { observed } = facts
  const verdicts: Record<string, Verdict> = {
    Ready: ready(facts),
    Reconciling: reconciling(facts),
    Stalled: facts.stall
      ? ['True', facts.stall.reason, facts.stall.message]
      : ['False', 'NotStalled', ''],
    StorageReachable: storage(facts),
    Balanced: balanced(facts),
    MetricsAvailable: measured(facts),
  }
  return Object.entries(verdicts).map(([type, [status, reason, message]]) => ({
    type,
    status,
    observedGeneration: observed.cluster.generation,
    reason,
    message,
  }))
}

function ready({ observed, active, listeners }: ConditionFacts): Verdict {
  const serving = active.some(({ isReady }) => isReady)
  const pending = listeners.filter(({ bootstrapServers }) => bootstrapServers === '')
  if (deploymentFacts(observed) === null && !serving) {
    return ['Unknown', 'NotStarted', 'there are no brokers yet']
  }
  if (!serving) return ['False', 'NoBrokerReady', 'no broker serves clients']
  if (pending.length > 0) {
    const names = pending.map(({ name }) => name).join(', ')
    return ['False', 'AddressPending', `no address yet for clients of ${names}`]
  }
  return ['True', 'AllListenersServing', '']
}

function reconciling(facts: ConditionFacts): Verdict {
  const { stall, isPaused, isChanging, scale, draining, active, observed } = facts
  if (isPaused) return ['False', 'Paused', 'spec.paused is true: nothing is changed']
  if (stall !== null || scale === null) return ['False', 'Stalled', '']
  const deployment = deploymentFacts(observed)
  if (deployment === null) return ['True', 'Starting', '']
  if (isWaiting(facts)) return ['True', 'ScaleInWaits', whyWaiting(facts)]
  const readyCount = active.filter(({ isReady }) => isReady).length
  if (draining.length > 0) return ['True', 'ScalingIn', 'brokers are being emptied']
  if (isChanging || deployment.replicas !== scale.replicas || isBehind(deployment)) {
    return ['True', 'Applying', '']
  }
  if (deployment.updatedReplicas < deployment.statusReplicas) {
    return ['True', 'Replacing', 'brokers are replaced one by one']
  }
  if (readyCount < scale.desired || deployment.availableReplicas < deployment.replicas) {
    return ['True', 'ScalingOut', 'brokers are starting']
  }
  if (deployment.statusReplicas !== deployment.replicas) return ['True', 'ScalingIn', '']
  return ['False', 'Settled', '']
}

/** Brokers are to go, and none is emptied: something is not known that has to be. */
function isWaiting({ scale, draining }: ConditionFacts): boolean {
  return scale !== null && scale.replicas > scale.desired && draining.length === 0
}

function whyWaiting({ observed: { ownership, store } }: ConditionFacts): string {
  if (ownership === null && store.outcome !== 'unseen') return 'until the metadata log can be read'
  return 'until all brokers serve and tell their load'
}

function isBehind({ generation, observedGeneration }: DeploymentFacts): boolean {
  return observedGeneration < generation
}

function storage({ observed }: ConditionFacts): Verdict {
  const { outcome, message } = observed.store
  if (outcome === 'ok') return ['True', 'ProbeOk', '']
  if (outcome === 'unknown') return ['Unknown', 'NotProbed', message]
  if (outcome === 'unseen') return ['Unknown', 'LedByBrokers', message]
  return ['False', `Probe${outcome.charAt(0).toUpperCase()}${outcome.slice(1)}`, message]
}

function balanced({ observed: { ownership, store } }: ConditionFacts): Verdict {
  if (store.outcome === 'unseen') return ['Unknown', 'LedByBrokers', 'a broker takes care of it']
  if (ownership === null) return ['Unknown', 'OwnershipUnknown', 'the metadata log is not read']
  if (ownership.isBalanced) return ['True', 'NoPendingMoves', '']
  return ['False', 'PartitionsMoving', '']
}

function measured({ observed, active }: ConditionFacts): Verdict {
  const serving = active.filter(({ isReady }) => isReady)
  if (serving.length === 0) return ['Unknown', 'NoBrokerReady', '']
  const silent = serving.filter(({ name }) => !observed.reports.has(name))
  if (silent.length === 0) return ['True', 'AllBrokersMeasured', '']
  if (silent.length < serving.length) {
    return ['False', 'SomeBrokersSilent', silent.map(({ name }) => name).join(', ')]
  }
  return ['False', 'AllBrokersSilent', 'no broker tells its load: none is removed for want of it']
}

function deploymentFacts(observed: Observed): DeploymentFacts | null {
  const found = childOf(observed, 'Deployment', childNames.deployment(observed.cluster.name))
  if (found === null) return null
  const number = (value: unknown): number => (typeof value === 'number' ? value : 0)
  const status = (found.status ?? {}) as Record<string, unknown>
  return {
    generation: found.metadata.generation ?? 0,
    replicas: number((found.spec as Record<string, unknown> | undefined)?.replicas),
    observedGeneration: number(status.observedGeneration),
    statusReplicas: number(status.replicas),
    updatedReplicas: number(status.updatedReplicas),
    availableReplicas: number(status.availableReplicas),
  }
}
