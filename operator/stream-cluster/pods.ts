import type { KubeObject } from '../kube/objects.ts'
import type { ObservedNode } from '../ownership/summary.ts'
import {
  ANNOTATION_DELETION_COST,
  ANNOTATION_DRAINED_AT,
  ANNOTATION_DRAINING_SINCE,
  GATE_ADDRESS,
  LABEL_SLOT,
  LABEL_STATE,
  STATE_DRAINING,
} from './labels.ts'
import type { Observed } from './observed.ts'

/** What a plan needs to know of one pod. Times are wall milliseconds. */
export interface Broker {
  readonly name: string
  readonly uid: string
  /** Node of Kubernetes it runs on; null before it is scheduled. */
  readonly hostIp: string | null
  readonly isReady: boolean
  /** Somebody has asked it to end. */
  readonly isTerminating: boolean
  readonly isGated: boolean
  readonly createdAtMs: number
  readonly slot: number | null
  readonly annotations: Readonly<Record<string, string>>
  /** Null: it is not draining. */
  readonly drainingSinceMs: number | null
  readonly drainedAtMs: number | null
  readonly hasDeletionCost: boolean
  /** The node of the metadata log that runs in it; null before it has registered. */
  readonly node: ObservedNode | null
  readonly isController: boolean
  readonly bytesPerSecond: number
}

/** A pod as it is read from the API server, as far as it matters here. */
interface PodObject extends KubeObject {
  readonly spec?: { readonly schedulingGates?: readonly { readonly name: string }[] }
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly hostIP?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

/** The brokers that are there, oldest first. Pods that have ended are none. */
export function brokersOf(observed: Observed): Broker[] {
  const brokers = observed.pods
    .filter((pod) => !hasEnded(pod as PodObject))
    .map((pod) => brokerOf(pod as PodObject, observed))
  return brokers.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.name < b.name ? -1 : 1))
}

/** An evicted pod, or one of a node that was shut down, stays there as a memory. */
function hasEnded(pod: PodObject): boolean {
  return pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded'
}

/** Whether the pod serves, by its readiness probe. */
export function isReady({ status }: PodObject): boolean {
  const conditions = status?.conditions ?? []
  return conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True')
}

function brokerOf(pod: PodObject, observed: Observed): Broker {
  const { metadata, spec, status } = pod
  const name = metadata.name ?? ''
  const annotations = metadata.annotations ?? {}
  const labels = metadata.labels ?? {}
  const slot = Number(labels[LABEL_SLOT] ?? Number.NaN)
  const isDraining = labels[LABEL_STATE] === STATE_DRAINING
  const node = nodeAt(status?.podIP, observed)
  return {
    name,
    uid: metadata.uid ?? '',
    hostIp: status?.hostIP ?? null,
    isReady: isReady(pod),
    isTerminating: metadata.deletionTimestamp !== undefined,
    isGated: spec?.schedulingGates?.some((gate) => gate.name === GATE_ADDRESS) ?? false,
    createdAtMs: timeMs(metadata.creationTimestamp) ?? 0,
    slot: Number.isInteger(slot) ? slot : null,
    annotations,
    // Who labels a pod by hand and gives no time wants it gone now.
    drainingSinceMs: isDraining ? (timeMs(annotations[ANNOTATION_DRAINING_SINCE]) ?? 0) : null,
    drainedAtMs: isDraining ? timeMs(annotations[ANNOTATION_DRAINED_AT]) : null,
    hasDeletionCost: annotations[ANNOTATION_DELETION_COST] !== undefined,
    node,
    isController: node !== null && observed.ownership?.controllerNodeId === node.nodeId,
    bytesPerSecond: observed.reports.get(name)?.bytesPerSecond ?? 0,
  }
}

/** Addresses are used again, node ids never: the highest one is of the pod that has it now. */
function nodeAt(host: string | undefined, observed: Observed): ObservedNode | null {
  let newest: ObservedNode | null = null
  if (host === undefined) return null
  for (const node of observed.ownership?.nodes ?? []) {
    if (node.host === host && node.nodeId > (newest?.nodeId ?? -1)) newest = node
  }
  return newest
}

function timeMs(text: string | undefined): number | null {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? null : ms
}

/** Wall milliseconds as Kubernetes writes times: RFC 3339, whole seconds unless `ms` matter. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
