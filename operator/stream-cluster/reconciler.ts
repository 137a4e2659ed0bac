import type { Random } from '../../base/random.ts'
import type { KubeClient } from '../kube/client.ts'
import type { EventRecorder } from '../kube/events.ts'
import type { KubeObject } from '../kube/objects.ts'
import type { ReconcileResult } from '../kube/reconciler-loop.ts'
import type { ClusterSessions } from '../ownership/sessions.ts'
import { Application, type StepFailure } from './apply.ts'
import { streamClusterKind } from './kinds.ts'
import type { Observer } from './observe.ts'
import { planCluster } from './plan.ts'
import type { Observed } from './observed.ts'
import { type Plan, stepsOf } from './plan-steps.ts'
import type { Watches } from './watches.ts'

/** Though nothing was heard: Secrets are not watched, and a watch may have swallowed something. */
const RESYNC_MS = 60_000

/** A namespace that could not be read yet is looked at again this often. */
const UNREAD_LOOK_MS = 1_000

/** One pass: what it is about, and what it was planned from. */
interface Pass {
  readonly observed: Observed
  readonly cluster: KubeObject
  readonly key: string
  readonly signal: AbortSignal
}

/** An object that the API server did not take. */
interface Refusal {
  readonly object: KubeObject
  readonly failure: StepFailure
}

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
    const { watches, observer, sessions } = this.options
    const name = nameOf(key)
    // Half of what is there would look like much that is missing.
    if (!watches.hasRead(name.namespace)) return { type: 'done', requeueAfterMs: UNREAD_LOOK_MS }
    const cluster = watches.cluster(name)
    if (cluster === null) {
      await sessions.close(key)
      return { type: 'done' }
    }
    const observed = await observer.observe(cluster, signal)
    return this.carryOut(planCluster(observed), { observed, cluster, key, signal })
  }

  /**
   * Does the plan's steps. An object that the API server does not take keeps no other one from being
   * applied, and is told of in the status; anything else that fails ends the pass.
   */
  private async carryOut(plan: Plan, pass: Pass): Promise<ReconcileResult> {
    const { watches, sessions, client, random } = this.options
    const { cluster, key, signal } = pass
    const session = sessions.get(key)
    if (plan.brokersExpected !== null) session?.expectBrokers(plan.brokersExpected)
    const application = new Application({ client, watches, cluster, session, signal })
    let refusal: Refusal | null = null
    const failed = async (step: string, failure: StepFailure): Promise<ReconcileResult> => {
      await watches.seen(application.written, signal)
      return { type: 'failed', error: { step, ...failure }, isQuiet: failure.isQuiet }
    }
    for (const step of stepsOf(plan)) {
      if (signal.aborted) return { type: 'failed', error: 'cut off', isQuiet: true }
      if (step.kind === 'status' && refusal !== null) continue
      const failure = await application.perform(step)
      if (failure === null) continue
      if (step.kind !== 'apply' || failure.isQuiet) return failed(step.kind, failure)
      refusal ??= { object: step.object, failure }
    }
    if (refusal !== null) {
      const told = planCluster(pass.observed, messageOf(refusal))
      if (told.status !== null) {
        const failure = await application.perform({ kind: 'status', status: told.status })
        if (failure !== null) return failed('status', failure)
        for (const event of told.events.filter(({ reason }) => reason === 'Stalled')) {
          this.tell(cluster, event)
        }
      }
      return failed('apply', refusal.failure)
    }
    for (const event of plan.events) this.tell(cluster, event)
    await watches.seen(application.written, signal)
    // Deleted and made again, it begins anew: with a session of its own.
    if (plan.removeFinalizer && plan.emptyStore) await sessions.close(key)
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

/** For a status: it must not change while nothing does. */
function messageOf({ object, failure }: Refusal): string {
  return `${object.kind} ${object.metadata.name} cannot be applied: ${failure.error}`
}
