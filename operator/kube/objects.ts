/** A kind of resource, as the API server's paths name it. */
export interface ResourceKind {
  /** `v1`, or group and version: `apps/v1`. */
  readonly apiVersion: string
  readonly kind: string
  /** The name in paths: lower case, plural. */
  readonly plural: string
  readonly isNamespaced: boolean
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
  [field: string]: unknown
}

/**
 * An object as the API server sends it: JSON that keeps every field, those we have no type for too.
 * Who needs more types states them: `interface Deployment extends KubeObject { spec: … }`.
 */
export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  [field: string]: unknown
}

/** Where an object is. `namespace` is left out for kinds that live in none. */
export interface ObjectName {
  readonly namespace?: string
  readonly name: string
}

/** `namespace/name`, or the name alone: the key of queues and stores. */
export function keyOf(name: ObjectName): string {
  return name.namespace === undefined ? name.name : `${name.namespace}/${name.name}`
}

/** Where `object` is, by its own metadata. */
export function nameOfObject(object: KubeObject): ObjectName {
  const { name = '', namespace } = object.metadata
  return namespace === undefined ? { name } : { namespace, name }
}

/**
 * The path of a collection (`name` left out), an object, or its subresource. A namespaced kind
 * without a namespace is the collection over all namespaces.
 */
export function pathOf(
  kind: ResourceKind,
  where: { namespace?: string; name?: string; subresource?: string } = {},
): string {
  const parts = [kind.apiVersion.includes('/') ? 'apis' : 'api', kind.apiVersion]
  if (kind.isNamespaced && where.namespace !== undefined) {
    parts.push('namespaces', encodeURIComponent(where.namespace))
  }
  parts.push(kind.plural)
  if (where.name !== undefined) parts.push(encodeURIComponent(where.name))
  if (where.subresource !== undefined) parts.push(where.subresource)
  return `/${parts.join('/')}`
}

function named(apiVersion: string, kind: string, plural: string): ResourceKind {
  return { apiVersion, kind, plural, isNamespaced: true }
}

/** Kubernetes' own kinds that the operator deals with. */
export const kinds = {
  pod: named('v1', 'Pod', 'pods'),
  service: named('v1', 'Service', 'services'),
  configMap: named('v1', 'ConfigMap', 'configmaps'),
  secret: named('v1', 'Secret', 'secrets'),
  serviceAccount: named('v1', 'ServiceAccount', 'serviceaccounts'),
  deployment: named('apps/v1', 'Deployment', 'deployments'),
  replicaSet: named('apps/v1', 'ReplicaSet', 'replicasets'),
  podDisruptionBudget: named('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  horizontalPodAutoscaler: named(
    'autoscaling/v2',
    'HorizontalPodAutoscaler',
    'horizontalpodautoscalers',
  ),
  networkPolicy: named('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  lease: named('coordination.k8s.io/v1', 'Lease', 'leases'),
  event: named('events.k8s.io/v1', 'Event', 'events'),
  node: { apiVersion: 'v1', kind: 'Node', plural: 'nodes', isNamespaced: false },
  namespace: { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', isNamespaced: false },
} as const satisfies Record<string, ResourceKind>
