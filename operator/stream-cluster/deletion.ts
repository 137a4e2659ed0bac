import { nameOfChild } from './children.ts'
import type { PlannedEvent } from './events.ts'
import { FINALIZER_STORE } from './labels.ts'
import type { Observed } from './observed.ts'
import { brokersOf } from './pods.ts'
import type { Plan } from './plan-steps.ts'

/**
 * Emptying the store is given up after so long. The finalizer would hold the namespace as well, and
 * a store that cannot be emptied now will hardly be reachable when its credentials are gone.
 */
const EMPTYING_MS_MAX = 10 * 60_000
const LOOK_MS = 1_000

/**
 * What is left to do for a StreamCluster that is deleted. Children go by themselves, with their
 * owner. Where the objects in the store are to go too, brokers end first: they would write new ones.
 */
export function planDeletion(observed: Observed): Partial<Plan> {
  const { cluster, nowMs } = observed
  if (!cluster.finalizers.includes(FINALIZER_STORE)) return {}
  if (cluster.spec?.deletionPolicy === 'Retain') return { removeFinalizer: true }
  const why = whyGivenUp(observed)
  if (why !== null) return { removeFinalizer: true, events: [kept(why)] }
  const makers = observed.children.filter(
    ({ kind, metadata }) =>
      (kind === 'Deployment' || kind === 'HorizontalPodAutoscaler') &&
      metadata.deletionTimestamp === undefined,
  )
  const hasDeployment = observed.children.some(({ kind }) => kind === 'Deployment')
  const isOver = !hasDeployment && brokersOf(observed).length === 0
  return {
    remove: makers.map(nameOfChild),
    emptyStore: isOver,
    removeFinalizer: isOver,
    requeueAfterMs: Math.max(0, Math.min(LOOK_MS, remainingMs(cluster.deletedAtMs, nowMs))),
  }
}

function whyGivenUp(observed: Observed): string | null {
  const { cluster, secrets, store, nowMs } = observed
  if (cluster.spec === null) return 'its spec is not valid'
  if (remainingMs(cluster.deletedAtMs, nowMs) <= 0) return 'it took too long'
  const credentials = cluster.spec.storage.s3?.credentialsSecretRef?.name
  if (credentials !== undefined && !secrets.has(credentials)) {
    return `the Secret ${credentials} with the credentials is gone`
  }
  const isHopeless = store.outcome === 'missing' || store.outcome === 'denied'
  return isHopeless ? store.message : null
}

function remainingMs(deletedAtMs: number | null, nowMs: number): number {
  return (deletedAtMs ?? nowMs) + EMPTYING_MS_MAX - nowMs
}

function kept(why: string): PlannedEvent {
  const note = `The objects in the store were not deleted: ${why}.`
  return { type: 'Warning', reason: 'StoreKept', note }
}
