import type { StreamClusterStatus } from '../api/stream-cluster-status.ts'
import type { KubeObject } from '../kube/objects.ts'
import type { ChildName } from './children.ts'
import type { PlannedEvent } from './events.ts'
import type { PodPatch } from './pod-patches.ts'
import type { ConfigChange } from './resources/config-map.ts'

/**
 * What to do, to be done in the order of the fields. A step that fails ends the pass; the next one
 * finds what was done and goes on. Doing a step twice does no harm.
 */
export interface Plan {
  /** How many brokers there are to be, for whoever gives them their shares; null: as told before. */
  readonly brokersExpected: number | null
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
