import type { ListenerSpec } from '../../api/listener-spec.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { LABEL_SLOT, selectorLabels } from '../labels.ts'
import { type ChildContext, child, childNames, isExternal, portName } from './context.ts'

/** A Service as it is read, as far as it matters here. */
interface ServiceObject extends KubeObject {
  readonly spec?: { readonly ports?: readonly { readonly nodePort?: number }[] }
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[]
    }
  }
}

/** Where clients inside Kubernetes begin: all internal listeners. Null: there are none. */
export function bootstrapService(context: ChildContext): KubeObject | null {
  const internal = context.spec.listeners.filter((listener) => !isExternal(listener))
  if (internal.length === 0) return null
  return service(context, childNames.bootstrap(context.name), {
    type: 'ClusterIP',
    selector: selectorLabels(context.name),
    ports: internal.map(portOf),
  })
}

/** Gives each pod a name in DNS, which certificates can be for. Null: nobody needs one. */
export function brokersService(context: ChildContext): KubeObject | null {
  const internal = context.spec.listeners.filter((listener) => !isExternal(listener))
  if (!internal.some(({ tls }) => tls)) return null
  return service(context, childNames.brokers(context.name), {
    clusterIP: 'None',
    selector: selectorLabels(context.name),
    ports: internal.map(portOf),
    // A name must be there before clients hear of it, and while its broker drains.
    publishNotReadyAddresses: true,
  })
}

/**
 * Services for clients from outside: one to begin at per listener, and one per listener and slot,
 * since a Kafka client must reach each broker by itself. Pods of a Deployment have no number of
 * their own, so the operator gives each one a slot, by a label; see docs/decisions/0006.
 */
export function externalServices(context: ChildContext, slotCount: number): KubeObject[] {
  const services: KubeObject[] = []
  for (const listener of context.spec.listeners.filter(isExternal)) {
    const type = listener.type === 'nodeport' ? 'NodePort' : 'LoadBalancer'
    const ports = [portOf(listener)]
    const selector = selectorLabels(context.name)
    const name = childNames.listener(context.name, listener.name)
    services.push(service(context, name, { type, selector, ports }))
    for (let slot = 0; slot < slotCount; slot++) {
      const slotName = childNames.slot(context.name, listener.name, slot)
      const slotSelector = { ...selector, [LABEL_SLOT]: String(slot) }
      // A broker that is not ready may still own partitions, and hand them over to clients' sight.
      const publishNotReadyAddresses = true
      const spec = { type, selector: slotSelector, ports, publishNotReadyAddresses }
      services.push(service(context, slotName, spec))
    }
  }
  return services
}

function service(context: ChildContext, name: string, spec: object): KubeObject {
  return child(context, { apiVersion: 'v1', kind: 'Service', name }, { spec })
}

function portOf(listener: ListenerSpec): object {
  const { port } = listener
  return { name: portName(listener), port, protocol: 'TCP', targetPort: portName(listener) }
}

/** The port that every node of Kubernetes forwards to this Service; null: not allotted yet. */
export function nodePortOf(object: KubeObject | null): number | null {
  return (object as ServiceObject | null)?.spec?.ports?.[0]?.nodePort ?? null
}

/** The host of the Service's load balancer; null: it has none yet. */
export function balancerHostOf(object: KubeObject | null): string | null {
  const [ingress] = (object as ServiceObject | null)?.status?.loadBalancer?.ingress ?? []
  return ingress?.hostname ?? ingress?.ip ?? null
}
