import type { KubeObject } from '../kube/objects.ts'
import { ANNOTATION_RESTART } from './labels.ts'
import { childOf, type Observed } from './observed.ts'
import type { Broker } from './pods.ts'
import type { ConfigChange } from './resources/config-map.ts'
import { childNames } from './resources/context.ts'
import type { ScalePlan } from './scale.ts'

/** Reasons are fixed: people's alerts are written against them. */
export interface PlannedEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason:
    | 'ScaleOut'
    | 'ScaleIn'
    | 'DrainStarted'
    | 'DrainFinished'
    | 'DrainTimedOut'
    | 'DrainCancelled'
    | 'ConfigApplied'
    | 'RestartRequired'
    | 'StorageUnreachable'
    | 'Stalled'
    | 'StoreKept'
  readonly note: string
}

/** Brokers that one note names; the others are counted. */
const NAMED_MAX = 5

/** What is told of a plan. Every event goes with something done, so a settled cluster tells none. */
export function planEvents(
  observed: Observed,
  done: {
    readonly scale: ScalePlan
    readonly configs: readonly ConfigChange[]
    readonly apply: readonly KubeObject[]
  },
): PlannedEvent[] {
  const events: PlannedEvent[] = []
  const { scale, configs } = done
  const tell = (reason: PlannedEvent['reason'], note: string): void => {
    events.push({ type: reason === 'DrainTimedOut' ? 'Warning' : 'Normal', reason, note })
  }
  const name = childNames.deployment(observed.cluster.name)
  const before = childOf(observed, 'Deployment', name)
  const replicas = (before?.spec as { replicas?: number } | undefined)?.replicas
  if (replicas !== undefined && replicas < scale.replicas) {
    tell('ScaleOut', `From ${replicas} to ${scale.replicas} brokers.`)
  }
  if (replicas !== undefined && replicas > scale.replicas) {
    tell('ScaleIn', `From ${replicas} to ${scale.replicas} brokers.`)
  }
  if (scale.begin.length > 0) tell('DrainStarted', `Emptying ${namesOf(scale.begin)}.`)
  if (scale.cancel.length > 0) tell('DrainCancelled', `Needed again: ${namesOf(scale.cancel)}.`)
  const finished = scale.finish.filter((broker) => !scale.timedOut.includes(broker))
  if (finished.length > 0) tell('DrainFinished', `Empty: ${namesOf(finished)}.`)
  if (scale.timedOut.length > 0) {
    tell('DrainTimedOut', `Not empty in time, others take over: ${namesOf(scale.timedOut)}.`)
  }
  if (configs.length > 0) {
    tell('ConfigApplied', `Without a restart: ${configs.map(({ key }) => key).join(', ')}.`)
  }
  const after = done.apply.find((each) => each.kind === 'Deployment') ?? null
  if (before !== null && after !== null && restartOf(before) !== restartOf(after)) {
    tell('RestartRequired', 'Brokers are replaced one by one: they read this at their start only.')
  }
  return events
}

function restartOf(deployment: KubeObject): string | undefined {
  const spec = deployment.spec as
    | { template?: { metadata?: { annotations?: Record<string, string> } } }
    | undefined
  return spec?.template?.metadata?.annotations?.[ANNOTATION_RESTART]
}

function namesOf(brokers: readonly Broker[]): string {
  const named = brokers.slice(0, NAMED_MAX).map(({ name }) => name)
  const more = brokers.length - named.length
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
