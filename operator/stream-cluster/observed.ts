import type { StreamClusterStatus } from '../api/stream-cluster-status.ts'
import type { StreamClusterSpec } from '../api/stream-cluster.ts'
import type { KubeObject } from '../kube/objects.ts'
import type { StoreOutcome } from '../ownership/store-outcome.ts'
import type { ObservedOwnership } from '../ownership/summary.ts'

/** The StreamCluster as it was read. */
export interface ObservedCluster {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly generation: number
  /** When somebody asked to delete it; wall milliseconds. */
  readonly deletedAtMs: number | null
  readonly finalizers: readonly string[]
  /** Null where the schema refuses it; then `problems` says why. */
  readonly spec: StreamClusterSpec | null
  readonly problems: readonly string[]
  readonly status: StreamClusterStatus
}

/** A Secret, without what it hides. */
export interface ObservedSecret {
  /** Changes when a value does. */
  readonly digest: string
  readonly keys: readonly string[]
}

/** What a broker said of its load a moment ago. */
export interface BrokerReport {
  readonly bytesPerSecond: number
}

/** What holds for all clusters of one operator. */
export interface OperatorFacts {
  /** The image of brokers that name none. */
  readonly image: string
  readonly namespace: string
  /** Labels by which network policies know the operator's pods. */
  readonly podLabels: Readonly<Record<string, string>>
  /** Whether the API server knows PodMonitors. */
  readonly hasPodMonitors: boolean
}

/** Everything a plan is made of, read at one time. Older parts are mended by the next plan. */
export interface Observed {
  /** Wall milliseconds: what is compared with it stands in annotations. */
  readonly nowMs: number
  readonly cluster: ObservedCluster
  /** Every object but pods that the StreamCluster owns. */
  readonly children: readonly KubeObject[]
  readonly pods: readonly KubeObject[]
  /** By name; those that the spec names and that are there. */
  readonly secrets: ReadonlyMap<string, ObservedSecret>
  /** Null: it could not be read, so nobody knows who owns what. */
  readonly ownership: ObservedOwnership | null
  /** By the pods' names; a broker that did not answer is missing. */
  readonly reports: ReadonlyMap<string, BrokerReport>
  readonly store: StoreOutcome
  readonly operator: OperatorFacts
}

/** The child of that kind and name, or null. */
export function childOf(observed: Observed, kind: string, name: string): KubeObject | null {
  const isIt = (each: KubeObject): boolean => each.kind === kind && each.metadata.name === name
  return observed.children.find(isIt) ?? null
}

/** Names of the Secrets that a spec needs, and the keys each must have. */
export function neededSecrets(spec: StreamClusterSpec): ReadonlyMap<string, readonly string[]> {
  const needed = new Map<string, readonly string[]>()
  const credentials = spec.storage.s3?.credentialsSecretRef?.name
  if (credentials !== undefined) {
    needed.set(credentials, ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
  }
  for (const { certificateSecretRef } of spec.listeners) {
    if (certificateSecretRef === undefined) continue
    const others = needed.get(certificateSecretRef.name) ?? []
    needed.set(certificateSecretRef.name, [...others, 'tls.crt', 'tls.key'])
  }
  return needed
}
