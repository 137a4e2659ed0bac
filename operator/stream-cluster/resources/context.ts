import type { ListenerSpec } from '../../api/listener-spec.ts'
import { STREAM_CLUSTER_API_VERSION, STREAM_CLUSTER_KIND } from '../../api/stream-cluster.ts'
import type { StreamClusterSpec } from '../../api/stream-cluster.ts'
import type { KubeObject, ObjectMeta } from '../../kube/objects.ts'
import { childLabels } from '../labels.ts'
import type { ObservedSecret, OperatorFacts } from '../observed.ts'

/** What the children of one StreamCluster are made of. */
export interface ChildContext {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly spec: StreamClusterSpec
  readonly secrets: ReadonlyMap<string, ObservedSecret>
  readonly operator: OperatorFacts
}

/** Metadata of a child: found by labels, and gone with its owner. */
function childMeta(context: ChildContext, name: string): ObjectMeta {
  return {
    name,
    namespace: context.namespace,
    labels: childLabels(context.name),
    ownerReferences: [
      {
        apiVersion: STREAM_CLUSTER_API_VERSION,
        kind: STREAM_CLUSTER_KIND,
        name: context.name,
        uid: context.uid,
        controller: true,
        // True would ask for the right to change finalizers, where that is enforced.
        blockOwnerDeletion: false,
      },
    ],
  }
}

/** Names of the children, all of which begin with the cluster's. */
export const childNames = {
  deployment: (cluster: string): string => cluster,
  config: (cluster: string): string => `${cluster}-config`,
  serviceAccount: (cluster: string): string => `${cluster}-broker`,
  brokers: (cluster: string): string => `${cluster}-brokers`,
  bootstrap: (cluster: string): string => `${cluster}-bootstrap`,
  listener: (cluster: string, listener: string): string => `${cluster}-${listener}-bootstrap`,
  slot: (cluster: string, listener: string, slot: number): string =>
    `${cluster}-${listener}-${slot}`,
} as const

/** The name of a listener's port in pods and Services: no other port begins so. */
export function portName(listener: ListenerSpec): string {
  return `l-${listener.name}`
}

export function isExternal(listener: ListenerSpec): boolean {
  return listener.type !== 'internal'
}

/** A child of `kind` with `body` beside its metadata. */
export function child(
  context: ChildContext,
  header: { readonly apiVersion: string; readonly kind: string; readonly name: string },
  body: Record<string, unknown>,
): KubeObject {
  const { apiVersion, kind, name } = header
  return { apiVersion, kind, metadata: childMeta(context, name), ...body }
}
