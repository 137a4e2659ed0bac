import { STREAM_CLUSTER_API_VERSION, STREAM_CLUSTER_KIND } from '../api/stream-cluster.ts'
import { kinds, type KubeObject, type ResourceKind } from '../kube/objects.ts'

export const streamClusterKind: ResourceKind = {
  apiVersion: STREAM_CLUSTER_API_VERSION,
  kind: STREAM_CLUSTER_KIND,
  plural: 'streamclusters',
  isNamespaced: true,
}

/** Of the Prometheus operator; not every API server knows it. */
export const podMonitorKind: ResourceKind = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PodMonitor',
  plural: 'podmonitors',
  isNamespaced: true,
}

/** Kinds of children that every API server knows. */
export const childKinds: readonly ResourceKind[] = [
  kinds.serviceAccount,
  kinds.configMap,
  kinds.service,
  kinds.networkPolicy,
  kinds.podDisruptionBudget,
  kinds.deployment,
  kinds.horizontalPodAutoscaler,
]

/** The kind of a child by its own words. Throws where no child is of that kind. */
export function childKindOf({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>) {
  const found = [...childKinds, podMonitorKind].find(
    (each) => each.kind === kind && each.apiVersion === apiVersion,
  )
  if (found === undefined) throw new Error(`no child is of kind ${apiVersion} ${kind}`)
  return found
}
