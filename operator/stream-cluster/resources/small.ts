import { ADMIN_PORT } from '../../api/listener-spec.ts'
import { STREAM_CLUSTER_API_VERSION, STREAM_CLUSTER_KIND } from '../../api/stream-cluster.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { selectorLabels } from '../labels.ts'
import { type ChildContext, child, childNames } from './context.ts'

/** The identity of brokers, for the store alone: they never call the API server. */
export function serviceAccount(context: ChildContext): KubeObject {
  const name = childNames.serviceAccount(context.name)
  const header = { apiVersion: 'v1', kind: 'ServiceAccount', name }
  return child(context, header, { automountServiceAccountToken: false })
}

/** Bounds what draining a node of Kubernetes evicts at once. */
export function podDisruptionBudget(context: ChildContext): KubeObject {
  const header = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', name: context.name }
  return child(context, header, {
    spec: {
      maxUnavailable: context.spec.podDisruptionBudget.maxUnavailable,
      selector: { matchLabels: selectorLabels(context.name) },
      // A broker that does not serve protects nothing; it must not hold up the node's drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  })
}

/**
 * Clients reach the listeners from anywhere. The admin port is for brokers, the operator and, where
 * they scrape it, for monitoring: what it shows without authentication changes nothing.
 */
export function networkPolicy(context: ChildContext): KubeObject {
  const { spec, operator, name } = context
  const tcp = (port: number): object => ({ protocol: 'TCP', port })
  const admin = [
    { podSelector: { matchLabels: selectorLabels(name) } },
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': operator.namespace } },
      podSelector: { matchLabels: { ...operator.podLabels } },
    },
    ...(spec.monitoring.podMonitor ? [{ namespaceSelector: {} }] : []),
  ]
  const header = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', name }
  return child(context, header, {
    spec: {
      podSelector: { matchLabels: selectorLabels(name) },
      policyTypes: ['Ingress'],
      ingress: [
        { ports: spec.listeners.map(({ port }) => tcp(port)) },
        { from: admin, ports: [tcp(ADMIN_PORT)] },
      ],
    },
  })
}

/** For the Prometheus operator. */
export function podMonitor(context: ChildContext): KubeObject {
  const header = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PodMonitor',
    name: context.name,
  }
  return child(context, header, {
    spec: {
      selector: { matchLabels: selectorLabels(context.name) },
      podMetricsEndpoints: [{ port: 'admin', path: '/metrics' }],
    },
  })
}

/** Scales the StreamCluster, never the Deployment: see scale.ts for why that matters. */
export function horizontalPodAutoscaler(context: ChildContext): KubeObject | null {
  const { autoscaling } = context.spec
  if (autoscaling?.mode !== 'HPA') return null
  const header = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    name: context.name,
  }
  const { minReplicas, maxReplicas, metrics = [], behavior } = autoscaling
  const cluster = {
    apiVersion: STREAM_CLUSTER_API_VERSION,
    kind: STREAM_CLUSTER_KIND,
    name: context.name,
  }
  return child(context, header, {
    spec: {
      scaleTargetRef: cluster,
      minReplicas,
      maxReplicas,
      metrics: metrics.map(({ type, pods, object }) =>
        object === undefined
          ? { type, pods }
          : { type, object: { describedObject: cluster, ...object } },
      ),
      ...(behavior === undefined ? {} : { behavior }),
    },
  })
}
