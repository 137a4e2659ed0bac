import { API_GROUP } from '../api/stream-cluster.ts'

/** Every name that the operator and its objects agree on by labels and annotations. */
export const LABEL_CLUSTER = `${API_GROUP}/cluster`
/** On pods alone; `draining` takes a broker out of what autoscalers count. */
export const LABEL_STATE = `${API_GROUP}/state`
export const STATE_DRAINING = 'draining'
/** On pods and the Services of one address from outside; see resources/external-services.ts. */
export const LABEL_SLOT = `${API_GROUP}/slot`

/** Since when a pod drains, and since when it is empty: RFC 3339. */
export const ANNOTATION_DRAINING_SINCE = `${API_GROUP}/draining-since`
export const ANNOTATION_DRAINED_AT = `${API_GROUP}/drained-at`
/** Kubernetes removes pods with lower costs first (KEP-2255). */
export const ANNOTATION_DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'
/** A hash of what the object was last applied as: finds fields that are no longer wanted. */
export const ANNOTATION_APPLIED = `${API_GROUP}/applied`
/** A hash of what brokers read at their start only: when it changes, they are replaced. */
export const ANNOTATION_RESTART = `${API_GROUP}/restart`
/** The port or address of a pod for clients of a listener: this and the listener's name. */
const ANNOTATION_ADVERTISED = `${API_GROUP}/advertised-`

/** Keeps a pod from starting until it has an address for clients from outside. */
export const GATE_ADDRESS = `${API_GROUP}/address`
/** Keeps a StreamCluster that is deleted until its objects in the store are. */
export const FINALIZER_STORE = `${API_GROUP}/store`

/** The annotation of pods that holds their address at `listener`. */
export function advertisedAnnotation(listener: string): string {
  return `${ANNOTATION_ADVERTISED}${listener}`
}

/** What pods are found by: the Deployment, Services and policies select these. */
export function selectorLabels(cluster: string): Record<string, string> {
  return { 'app.kubernetes.io/name': 'streamcluster', [LABEL_CLUSTER]: cluster }
}

/** By this label the operator finds its children, and their pods. */
const LABEL_MANAGED = 'app.kubernetes.io/managed-by'
const MANAGED_BY = 'streamcluster-operator'
export const MANAGED_SELECTOR = `${LABEL_MANAGED}=${MANAGED_BY}`

/**
 * What every child carries. Labels of the StreamCluster itself are not copied: those of GitOps tools
 * would make them take children for their own, and prune them.
 */
export function childLabels(cluster: string): Record<string, string> {
  return {
    ...selectorLabels(cluster),
    [LABEL_MANAGED]: MANAGED_BY,
  }
}

/** `status.selector`: active brokers. Draining ones are no part of an autoscaler's mean. */
export function activeSelector(cluster: string): string {
  return `${LABEL_CLUSTER}=${cluster},${LABEL_STATE} notin (${STATE_DRAINING})`
}
