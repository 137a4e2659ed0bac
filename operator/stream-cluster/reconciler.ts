import type { Random } from '../../base/random.ts'
import type { KubeClient } from '../kube/client.ts'
import type { EventRecorder } from '../kube/events.ts'
import type { KubeObject } from '../kube/objects.ts'
import type { ReconcileResult } from '../kube/reconciler-loop.ts'
import type { ClusterSessions } from '../ownership/sessions.ts'
import { Application } from './apply.ts'
import { streamClusterKind } from './kinds.ts'
import type { Observer } from './observe.ts'
import { planCluster } from './plan.ts'
import { stepsOf } from './plan-steps.ts'
import type { Watches } from './watches.ts'

/** Though nothing was heard: Secrets are not watched, and a watch may have swallowed something. */
const RESYNC_MS = 60_000

export interface ReconcilerOptions {
  readonly client: KubeClient
  readonly random: Random
  readonly watches: Watches
  readonly observer: Observer
  readonly sessions: ClusterSessions
  readonly events: EventRecorder
}

/** Brings one StreamCluster to what its spec says: observe, plan, apply, tell. */
export class StreamClusterReconciler {
  private readonly options: ReconcilerOptions

  constructor(options: ReconcilerOptions) {
    this.options = options
  }

  /** One pass over the cluster at `key` (`namespace/name`). */
  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { watches, observer, sessions, client, random } = this.options
    const cluster = watches.cluster(nameOf(key))
    if (cluster === null) {
      await sessions.close(key)
      return { type: 'done' }
    }
    const observed = await observer.observe(cluster, signal)
    const plan = planCluster(observed)
    const session = sessions.get(key)
    const application = new Application({ client, watches, cluster, session, signal })
    for (const step of stepsOf(plan)) {
      if (signal.aborted) return { type: 'failed', error: 'cut off', isQuiet: true }
      const failure = await application.perform(step)
      if (failure === null) continue
      await watches.seen(application.written, signal)
      return { type: 'failed', error: { step: step.kind, ...failure }, isQuiet: failure.isQuiet }
    }
    for (const event of plan.events) this.tell(cluster, event)
    await watches.seen(application.written, signal)
    // Spread, so that clusters do not come all at once.
    const resyncMs = RESYNC_MS + random.below(RESYNC_MS / 6)
    return { type: 'done', requeueAfterMs: plan.requeueAfterMs ?? resyncMs }
  }

  private tell(
    cluster: KubeObject,
    event: { type: 'Normal' | 'Warning'; reason: string; note: string },
  ): void {
    const { apiVersion, kind } = streamClusterKind
    const { metadata } = cluster
    this.options.events.record({ apiVersion, kind, metadata }, { ...event, action: 'Reconcile' })
  }
}

function nameOf(key: string): { namespace: string; name: string } {
  const [namespace = '', name = ''] = key.split('/')
  return { namespace, name }
}
