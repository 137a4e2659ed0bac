import { createHash } from 'node:crypto'
import type { KubeObject } from '../kube/objects.ts'
import { covers } from './covers.ts'
import { ANNOTATION_APPLIED } from './labels.ts'
import { childOf, type Observed } from './observed.ts'
import { configMap } from './resources/config-map.ts'
import type { ChildContext } from './resources/context.ts'
import { deployment } from './resources/deployment.ts'
import { bootstrapService, brokersService, externalServices } from './resources/services.ts'
import {
  horizontalPodAutoscaler,
  networkPolicy,
  podDisruptionBudget,
  podMonitor,
  serviceAccount,
} from './resources/small.ts'

/** An object to delete. */
export interface ChildName {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
}

export interface ChildCounts {
  /** Brokers, as the Deployment shall have them. */
  readonly replicas: number
  /** Addresses for clients from outside. */
  readonly slots: number
}

/** Every object the operator wants for a cluster, each before those that need it. */
export function desiredChildren(context: ChildContext, counts: ChildCounts): KubeObject[] {
  const monitor = context.spec.monitoring.podMonitor && context.operator.hasPodMonitors
  const children = [
    serviceAccount(context),
    configMap(context),
    bootstrapService(context),
    brokersService(context),
    ...externalServices(context, counts.slots),
    networkPolicy(context),
    podDisruptionBudget(context),
    deployment(context, counts.replicas),
    horizontalPodAutoscaler(context),
    monitor ? podMonitor(context) : null,
  ]
  return children.filter((each) => each !== null).map(withHash)
}

/** The objects to apply: those that are missing, are not what is wanted, or have too much. */
export function toApply(desired: readonly KubeObject[], observed: Observed): KubeObject[] {
  return desired.filter((wanted) => {
    const found = childOf(observed, wanted.kind ?? '', wanted.metadata.name ?? '')
    return found === null || !covers(found, wanted)
  })
}

/** The objects that belong to the cluster and are wanted no more. */
export function toRemove(desired: readonly KubeObject[], observed: Observed): ChildName[] {
  const wanted = new Set(desired.map((each) => `${each.kind}/${each.metadata.name}`))
  return observed.children
    .filter(({ kind, metadata }) => !wanted.has(`${kind}/${metadata.name}`))
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(nameOfChild)
}

export function nameOfChild({ apiVersion = '', kind = '', metadata }: KubeObject): ChildName {
  return { apiVersion, kind, name: metadata.name ?? '' }
}

/** What was applied and is wanted no more shows in nothing but this hash. */
function withHash(object: KubeObject): KubeObject {
  const hash = createHash('sha256').update(JSON.stringify(object)).digest('hex').slice(0, 16)
  const annotations = { ...object.metadata.annotations, [ANNOTATION_APPLIED]: hash }
  return { ...object, metadata: { ...object.metadata, annotations } }
}
