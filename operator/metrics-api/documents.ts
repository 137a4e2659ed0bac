import { brokerMetricNames, clusterMetrics } from '../api/autoscaling.ts'
import { STREAM_CLUSTER_API_VERSION, STREAM_CLUSTER_KIND } from '../api/stream-cluster.ts'
import { type Measurement, quantityText } from './measurements.ts'

/** https://github.com/kubernetes/metrics/tree/master/pkg/apis/custom_metrics */
export const METRICS_GROUP = 'custom.metrics.k8s.io'
/** The preferred one last. */
export const METRICS_VERSIONS = ['v1beta1', 'v1beta2'] as const
export type MetricsVersion = (typeof METRICS_VERSIONS)[number]

/** The resource of StreamClusters in paths of this API: with its group. */
export const CLUSTER_RESOURCE = 'streamclusters.streamcluster.io'

/** Rates of brokers are means over about so long (broker/load-meter.ts). */
const WINDOW_SECONDS = 5

/** What the group can do, for clients that discover it. */
export function groupDocument(): Record<string, unknown> {
  const versions = METRICS_VERSIONS.map((version) => ({
    groupVersion: `${METRICS_GROUP}/${version}`,
    version,
  }))
  const preferredVersion = versions.at(-1)
  return { kind: 'APIGroup', apiVersion: 'v1', name: METRICS_GROUP, versions, preferredVersion }
}

export function resourcesDocument(version: MetricsVersion): Record<string, unknown> {
  const names = [
    ...brokerMetricNames.map((metric) => `pods/${metric}`),
    ...[...clusterMetrics.keys()].map((metric) => `${CLUSTER_RESOURCE}/${metric}`),
  ]
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${METRICS_GROUP}/${version}`,
    resources: names.map((name) => ({
      name,
      singularName: '',
      namespaced: true,
      kind: 'MetricValueList',
      verbs: ['get'],
    })),
  }
}

/** Measurements of pods or of a StreamCluster, as that version of the API has them. */
export function valuesDocument(
  version: MetricsVersion,
  about: { readonly kind: 'Pod' | 'StreamCluster'; readonly namespace: string; metric: string },
  measurements: readonly Measurement[],
): Record<string, unknown> {
  const { kind, namespace, metric } = about
  const apiVersion = kind === STREAM_CLUSTER_KIND ? STREAM_CLUSTER_API_VERSION : '/v1'
  const items = measurements.map(({ objectName, milli, atWallMs }) => {
    const described = { kind, namespace, name: objectName, apiVersion }
    const timestamp = new Date(atWallMs).toISOString().replace(/\.\d+Z$/, 'Z')
    const common = { describedObject: described, timestamp, value: quantityText(milli) }
    return version === 'v1beta1'
      ? { ...common, metricName: metric, window: WINDOW_SECONDS, selector: null }
      : { ...common, metric: { name: metric, selector: null }, windowSeconds: WINDOW_SECONDS }
  })
  const listVersion = `${METRICS_GROUP}/${version}`
  return { kind: 'MetricValueList', apiVersion: listVersion, metadata: {}, items }
}

/** Kubernetes' words for a request that was not answered. */
export function statusDocument(code: number, reason: string, message: string) {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    code,
    reason,
    message,
  }
}
