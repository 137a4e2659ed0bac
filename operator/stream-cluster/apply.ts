import type { KubeClient, RequestOptions } from '../kube/client.ts'
import type { KubeFailure, Outcome } from '../kube/failure.ts'
import {
  type KubeObject,
  kinds,
  nameOfObject,
  type ObjectName,
  type ResourceKind,
} from '../kube/objects.ts'
import type { ClusterSession } from '../ownership/session.ts'
import { childKindOf, streamClusterKind } from './kinds.ts'
import { FINALIZER_STORE, GATE_ADDRESS } from './labels.ts'
import type { PodPatch } from './pod-patches.ts'
import type { PlanStep } from './plan-steps.ts'
import type { Watches, Written } from './watches.ts'

/** A step that was not done. `isQuiet`: everyday life, which the next pass deals with. */
export interface StepFailure {
  readonly error: unknown
  readonly isQuiet: boolean
}

export interface ApplyOptions {
  readonly client: KubeClient
  readonly watches: Watches
  /** As it was read for this pass. */
  readonly cluster: KubeObject
  readonly session: ClusterSession | null
  readonly signal: AbortSignal
}

/** A step that is the controller's, or the store's. */
type SessionStep =
  | Extract<PlanStep, { nodeId: number } | { change: unknown }>
  | { readonly kind: 'empty-store' }

/** Does the steps of one pass over one cluster, and remembers what it wrote. */
export class Application {
  readonly written: Written[] = []
  private readonly options: ApplyOptions
  private readonly request: RequestOptions
  private clusterVersion: string

  constructor(options: ApplyOptions) {
    this.options = options
    this.clusterVersion = options.cluster.metadata.resourceVersion ?? ''
    this.request = { signal: options.signal }
  }

  /** Null: it is done. What was done before a failure stays, and is seen by the next pass. */
  async perform(step: PlanStep): Promise<StepFailure | null> {
    switch (step.kind) {
      case 'add-finalizer':
        return this.setFinalizers((before) => [...before, FINALIZER_STORE])
      case 'remove-finalizer':
        return this.setFinalizers((before) => before.filter((each) => each !== FINALIZER_STORE))
      case 'apply':
        return this.applyChild(step.object)
      case 'remove':
        return this.removeChild(step.child)
      case 'pod':
        return this.patchPod(step.patch)
      case 'status':
        return this.writeStatus(step.status)
      case 'empty-store':
        return this.askSession({ kind: step.kind })
      default:
        return this.askSession(step)
    }
  }

  private async askSession(step: SessionStep): Promise<StepFailure | null> {
    const { session, signal } = this.options
    if (session === null) return { error: 'the metadata log is not open', isQuiet: true }
    try {
      if (step.kind === 'config') await session.setConfig(step.change.key, step.change.value)
      else if (step.kind === 'empty-store') await session.emptyStore(signal)
      else await session.setDraining(step.nodeId, step.kind === 'drain')
      return null
    } catch (error) {
      return { error, isQuiet: false }
    }
  }

  private async setFinalizers(
    change: (before: readonly string[]) => string[],
  ): Promise<StepFailure | null> {
    const { cluster, client } = this.options
    const { finalizers = [] } = cluster.metadata
    // Finalizers of others are in the same list: not without having seen its newest state.
    const resourceVersion = this.clusterVersion
    const metadata = { finalizers: change(finalizers), resourceVersion }
    const name = nameOfObject(cluster)
    const patched = await client.mergePatch(streamClusterKind, name, { metadata }, this.request)
    return this.noted(streamClusterKind, name, patched)
  }

  private async applyChild(object: KubeObject): Promise<StepFailure | null> {
    const { client, watches } = this.options
    const kind = childKindOf(object)
    const name = nameOfObject(object)
    const stranger = await this.strangerAt(kind, name, watches.find(kind, name))
    if (stranger !== null) return stranger
    return this.noted(kind, name, await client.apply(kind, object, this.request))
  }

  /** An object of that name that is not the cluster's: it would be taken from whoever owns it. */
  private async strangerAt(
    kind: ResourceKind,
    name: ObjectName,
    known: KubeObject | null,
  ): Promise<StepFailure | null> {
    const { client, cluster } = this.options
    const found =
      known === null
        ? await client.get(kind, name, this.request)
        : ({ ok: true, value: known } as const)
    if (!found.ok) return found.failure.status === 404 ? null : failed(found.failure)
    const owners = found.value.metadata.ownerReferences ?? []
    const { uid, name: clusterName } = cluster.metadata
    if (owners.some((owner) => owner.uid === uid)) return null
    const what = `${kind.kind} ${name.name}`
    // Of a cluster of that name that was deleted: it is being collected.
    const isLeftover = owners.some(
      (owner) => owner.kind === streamClusterKind.kind && owner.name === clusterName,
    )
    if (isLeftover) return { error: `${what} of a former cluster is still there`, isQuiet: true }
    const error = `${what} is there and is not this cluster's: rename one of them`
    return { error, isQuiet: false }
  }

  private async removeChild(child: {
    apiVersion: string
    kind: string
    name: string
  }): Promise<StepFailure | null> {
    const { client, cluster, watches } = this.options
    const kind = childKindOf(child)
    const { namespace = '' } = cluster.metadata
    const name = { namespace, name: child.name }
    const uid = watches.find(kind, name)?.metadata.uid
    const deleted = await client.delete(kind, name, {
      ...this.request,
      ...(uid === undefined ? {} : { uid }),
    })
    if (!deleted.ok && deleted.failure.status !== 404) return failed(deleted.failure)
    this.written.push({ kind, name, resourceVersion: null })
    return null
  }

  private async patchPod(patch: PodPatch): Promise<StepFailure | null> {
    const { client, cluster, watches } = this.options
    const { namespace = '' } = cluster.metadata
    const name = { namespace, name: patch.name }
    const { labels, annotations, uid } = patch
    const spec = watches.find(kinds.pod, name)?.spec as
      | { schedulingGates?: readonly { readonly name: string }[] }
      | undefined
    const gates = (spec?.schedulingGates ?? []).filter((gate) => gate.name !== GATE_ADDRESS)
    const body = {
      metadata: { uid, labels, annotations },
      ...(patch.ungate ? { spec: { schedulingGates: gates } } : {}),
    }
    const patched = await client.mergePatch(kinds.pod, name, body, this.request)
    // It went meanwhile, which is no harm: the next plan is made without it.
    if (!patched.ok && patched.failure.status === 404) return null
    return this.noted(kinds.pod, name, patched)
  }

  private async writeStatus(status: unknown): Promise<StepFailure | null> {
    const { cluster, client } = this.options
    const name = nameOfObject(cluster)
    const object = { metadata: { ...name }, status }
    const applied = await client.applyStatus(streamClusterKind, object, this.request)
    if (!applied.ok && applied.failure.status === 404) return null
    return this.noted(streamClusterKind, name, applied)
  }

  private noted(
    kind: ResourceKind,
    name: ObjectName,
    outcome: Outcome<KubeObject>,
  ): StepFailure | null {
    if (!outcome.ok) return failed(outcome.failure)
    const { resourceVersion = null } = outcome.value.metadata
    if (kind === streamClusterKind && resourceVersion !== null) {
      this.clusterVersion = resourceVersion
    }
    this.written.push({ kind, name, resourceVersion })
    return null
  }
}

/** Conflicts come of two that write at once; the next pass reads what the other one wrote. */
function failed(failure: KubeFailure): StepFailure {
  return { error: `${failure.reason}: ${failure.message}`, isQuiet: failure.status === 409 }
}
