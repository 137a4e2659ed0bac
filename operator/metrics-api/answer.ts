import { brokerMetricNames, clusterMetrics } from '../api/autoscaling.ts'
import { API_GROUP, API_VERSION_NAME, STREAM_CLUSTER_KIND } from '../api/stream-cluster.ts'
import type { ReadAttributes } from './authorization.ts'
import {
  CLUSTER_RESOURCE,
  groupDocument,
  METRICS_GROUP,
  METRICS_VERSIONS,
  type MetricsVersion,
  resourcesDocument,
  statusDocument,
  valuesDocument,
} from './documents.ts'
import { labelSelector } from './label-selector.ts'
import { measureCluster, type MeasuredPods, measurePods } from './measurements.ts'

/** What to send, and who may have it: null means everybody. */
export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly attributes: ReadAttributes | null
}

/** Paths for programs that want one number and no API: KEDA's metrics-api scaler. */
const PLAIN_PREFIX = 'load'

/**
 * The answer to a GET of `path` (without its query). Discovery is for everybody: the aggregator asks
 * for it in nobody's name.
 */
export function answerTo(measured: MeasuredPods, path: string, query: URLSearchParams): Answer {
  let parts: string[]
  try {
    parts = path.split('/').slice(1).map(decodeURIComponent)
  } catch {
    return refused(400, 'BadRequest', 'the path is not well escaped')
  }
  if (parts[0] === PLAIN_PREFIX) return plainAnswer(measured, parts.slice(1))
  const [apis, group, versionText, ...rest] = parts
  if (apis !== 'apis' || group !== METRICS_GROUP) return unknownPath()
  if (versionText === undefined) return open(groupDocument())
  const version = METRICS_VERSIONS.find((each) => each === versionText)
  if (version === undefined) return unknownPath()
  if (rest.length === 0) return open(resourcesDocument(version))
  const [namespaces, namespace = '', resource = '', name = '', metric = ''] = rest
  if (namespaces !== 'namespaces' || rest.length !== 5) return unknownPath()
  const what: Wanted = { version, namespace, name, metric }
  if (resource === 'pods') return podsAnswer(measured, what, query)
  return resource === CLUSTER_RESOURCE ? clusterAnswer(measured, what) : unknownPath()
}

interface Wanted {
  readonly version: MetricsVersion
  readonly namespace: string
  readonly name: string
  readonly metric: string
}

function podsAnswer(measured: MeasuredPods, wanted: Wanted, query: URLSearchParams): Answer {
  const { version, namespace, name } = wanted
  const attributes = attributesOf('pods', wanted)
  const metric = brokerMetricNames.find((each) => each === wanted.metric)
  if (metric === undefined) return notFound(`there is no metric ${wanted.metric}`, attributes)
  const takes = labelSelector(query.get('labelSelector') ?? '')
  if (takes === null) return refused(400, 'BadRequest', 'the label selector is not valid')
  const values = measurePods(measured, {
    ...{ namespace, metric },
    selects: ({ metadata }) =>
      name === '*' ? takes(metadata.labels ?? {}) : metadata.name === name,
  })
  if (name !== '*' && values.length === 0) {
    return notFound(`the pod ${name} is not measured`, attributes)
  }
  const about = { kind: 'Pod', namespace, metric } as const
  return { status: 200, body: valuesDocument(version, about, values), attributes }
}

function clusterAnswer(measured: MeasuredPods, wanted: Wanted): Answer {
  const { version, namespace, name: cluster, metric } = wanted
  const attributes = attributesOf(CLUSTER_RESOURCE, wanted)
  const value = measureCluster(measured, { namespace, cluster, metric })
  if (value === null) return notFound(`${metric} of ${cluster} is not known now`, attributes)
  const about = { kind: STREAM_CLUSTER_KIND, namespace, metric } as const
  return { status: 200, body: valuesDocument(version, about, [value]), attributes }
}

/**
 * `/load/<namespace>/<cluster>`: the cluster's metrics as plain numbers. An error, and not a smaller
 * number, while a broker is silent: a scaler must not take silence for rest.
 */
function plainAnswer(measured: MeasuredPods, parts: readonly string[]): Answer {
  const [namespace = '', cluster = '', ...more] = parts
  if (cluster === '' || more.length > 0) return unknownPath()
  const attributes: ReadAttributes = {
    ...{ namespace, group: API_GROUP, version: API_VERSION_NAME },
    ...{ resource: 'streamclusters', name: cluster, subresource: '' },
  }
  const values: Record<string, number> = {}
  for (const metric of clusterMetrics.keys()) {
    const value = measureCluster(measured, { namespace, cluster, metric })
    // What only some brokers know of, as those of an older image do not, is left out.
    if (value !== null) values[metric] = value.milli / 1000
  }
  if (Object.keys(values).length === 0) {
    const message = `not every broker of ${cluster} tells its load now`
    return { status: 503, body: { error: message }, attributes }
  }
  return { status: 200, body: values, attributes }
}

function attributesOf(resource: string, { version, namespace, name, metric }: Wanted) {
  return { namespace, group: METRICS_GROUP, version, resource, name, subresource: metric }
}

function open(body: unknown): Answer {
  return { status: 200, body, attributes: null }
}

function notFound(message: string, attributes: ReadAttributes): Answer {
  return { status: 404, body: statusDocument(404, 'NotFound', message), attributes }
}

function unknownPath(): Answer {
  return refused(404, 'NotFound', 'there is nothing at this path')
}

function refused(code: number, reason: string, message: string): Answer {
  return { status: code, body: statusDocument(code, reason, message), attributes: null }
}
