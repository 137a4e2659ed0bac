import {
  type Condition,
  DRAINING_LISTED_MAX,
  type StreamClusterStatus,
} from '../api/stream-cluster-status.ts'
import type { StreamClusterSpec } from '../api/stream-cluster.ts'
import { sameJson } from './covers.ts'
import { type ConditionFacts, conditionsOf } from './conditions.ts'
import type { PlannedEvent } from './events.ts'
import { activeSelector } from './labels.ts'
import { childOf, type Observed } from './observed.ts'
import { type Broker, timeText } from './pods.ts'
import { childNames, isExternal } from './resources/context.ts'
import { balancerHostOf, nodePortOf } from './resources/services.ts'
import type { Situation } from './situation.ts'

/** Nodes whose addresses a nodeport listener's bootstrap names. */
const BOOTSTRAP_HOSTS_MAX = 3

/**
 * The status, or null where it is that already; and what is told of its changes. It names states,
 * never how often or how long: a settled cluster's status is written once.
 */
export function statusOf(situation: Situation): {
  readonly status: StreamClusterStatus | null
  readonly transitions: readonly PlannedEvent[]
} {
  const { observed, brokers, spec } = situation
  const { cluster } = observed
  const living = brokers.filter((broker) => !broker.isTerminating)
  const beginning = situation.scale?.begin ?? []
  const cancelled = situation.scale?.cancel ?? []
  const isDraining = (broker: Broker): boolean =>
    beginning.includes(broker) || (broker.drainingSinceMs !== null && !cancelled.includes(broker))
  const draining = living.filter(isDraining)
  const active = living.filter((broker) => !isDraining(broker))
  const kept = wantedCount(situation, {
    activeCount: active.length,
    drainingCount: draining.length,
  })
  const ready = active.filter(({ isReady }) => isReady).length
  const clusterId = observed.ownership?.clusterId ?? cluster.status.clusterId
  const listeners = spec === null ? [] : bootstraps(observed, spec, active)
  const facts: ConditionFacts = { ...situation, active, draining, listeners }
  const status: StreamClusterStatus = {
    observedGeneration: cluster.generation,
    ...(clusterId === undefined ? {} : { clusterId }),
    // One more may be there while brokers are replaced: autoscalers must not see it.
    replicas: Math.min(active.length, kept),
    readyReplicas: Math.min(ready, kept),
    drainingReplicas: draining.length,
    selector: activeSelector(cluster.name),
    draining: draining.slice(0, DRAINING_LISTED_MAX).map(({ name, node, drainingSinceMs }) => ({
      pod: name,
      broker: node?.nodeId ?? null,
      since: timeText(drainingSinceMs ?? observed.nowMs),
    })),
    listeners,
    conditions: dated(conditionsOf(facts), observed),
  }
  if (sameJson(status, cluster.status)) return { status: null, transitions: [] }
  return { status, transitions: transitionsOf(status, cluster.status) }
}

/** How many of the active brokers are meant to stay. */
function wantedCount(
  { scale, spec }: Situation,
  { activeCount, drainingCount }: { activeCount: number; drainingCount: number },
): number {
  if (scale === null || spec === null) return activeCount
  return Math.max(scale.desired, scale.replicas - drainingCount)
}

function bootstraps(
  observed: Observed,
  spec: StreamClusterSpec,
  active: readonly Broker[],
): { name: string; bootstrapServers: string }[] {
  const { name, namespace } = observed.cluster
  return spec.listeners.map((listener) => {
    const { port } = listener
    if (!isExternal(listener)) {
      const host = `${childNames.bootstrap(name)}.${namespace}.svc`
      return { name: listener.name, bootstrapServers: `${host}:${port}` }
    }
    const serviceName = childNames.listener(name, listener.name)
    const service = childOf(observed, 'Service', serviceName)
    const host = balancerHostOf(service)
    if (listener.type === 'loadbalancer') {
      return { name: listener.name, bootstrapServers: host === null ? '' : `${host}:${port}` }
    }
    const nodePort = nodePortOf(service)
    const hosts = [...new Set(active.flatMap(({ hostIp }) => hostIp ?? []))].sort()
    const servers = hosts.slice(0, BOOTSTRAP_HOSTS_MAX).map((each) => `${each}:${nodePort}`)
    return { name: listener.name, bootstrapServers: nodePort === null ? '' : servers.join(',') }
  })
}

/** With the times of those that were so before. */
function dated(
  conditions: readonly Omit<Condition, 'lastTransitionTime'>[],
  { cluster, nowMs }: Observed,
): Condition[] {
  return conditions.map((condition) => {
    const before = cluster.status.conditions?.find(({ type }) => type === condition.type)
    const isSame = before?.status === condition.status
    // Whole seconds: that is all metav1.Time has.
    const now = timeText(Math.floor(nowMs / 1000) * 1000).replace('.000Z', 'Z')
    return { ...condition, lastTransitionTime: isSame ? before.lastTransitionTime : now }
  })
}

function transitionsOf(after: StreamClusterStatus, before: StreamClusterStatus): PlannedEvent[] {
  const find = (status: StreamClusterStatus, type: string): Condition | undefined =>
    status.conditions?.find((each) => each.type === type)
  const events: PlannedEvent[] = []
  const stalled = find(after, 'Stalled')
  const stalledBefore = find(before, 'Stalled')
  const isNew =
    stalled?.status !== stalledBefore?.status || stalled?.reason !== stalledBefore?.reason
  if (stalled?.status === 'True' && isNew) {
    events.push({ type: 'Warning', reason: 'Stalled', note: stalled.message })
  }
  const storage = find(after, 'StorageReachable')
  if (storage?.status === 'False' && find(before, 'StorageReachable')?.status !== 'False') {
    events.push({ type: 'Warning', reason: 'StorageUnreachable', note: storage.message })
  }
  return events
}
