import { type BrokerMetric, clusterMetrics } from '../api/autoscaling.ts'
import type { KubeObject } from '../kube/objects.ts'
import { milliByMetricOf, summarize } from '../brokers/broker-load.ts'
import { LABEL_CLUSTER, LABEL_STATE, STATE_DRAINING } from '../stream-cluster/labels.ts'
import type { Report } from '../stream-cluster/broker-reports.ts'
import { isReady } from '../stream-cluster/pods.ts'

/** Where measurements come from: all pods of brokers, and what each said last if that is fresh. */
export interface MeasuredPods {
  pods(): readonly KubeObject[]
  reportOf(uid: string): Report | null
}

/** A value of one object, in thousandths of its unit. */
export interface Measurement {
  readonly objectName: string
  readonly milli: number
  readonly atWallMs: number
}

/**
 * A metric of every pod in `namespace` that `selects` takes. Those that said nothing of late are
 * left out: the autoscaler takes care of what is missing, and of nothing else.
 */
export function measurePods(
  measured: MeasuredPods,
  about: {
    readonly namespace: string
    readonly metric: BrokerMetric
    readonly selects: (pod: KubeObject) => boolean
  },
): Measurement[] {
  const found: Measurement[] = []
  for (const pod of measured.pods()) {
    const { namespace, name = '', uid = '' } = pod.metadata
    if (namespace !== about.namespace || !about.selects(pod)) continue
    // One that cannot serve, for want of its store say, would look like one that has nothing to do.
    if (!isReady(pod)) continue
    const report = measured.reportOf(uid)
    const milli = report === null ? undefined : milliByMetricOf(report.load).get(about.metric)
    if (report === null || milli === undefined) continue
    found.push({ objectName: name, milli, atWallMs: report.atWallMs })
  }
  return found
}

/**
 * A metric of a whole cluster. Null where it is not known: there is no such metric, no broker
 * serves, or one that serves is silent. A sum without it would say that there is less to do.
 */
export function measureCluster(
  measured: MeasuredPods,
  about: { readonly namespace: string; readonly cluster: string; readonly metric: string },
): Measurement | null {
  const known = clusterMetrics.get(about.metric)
  if (known === undefined) return null
  const { metric, summary } = known
  const { namespace, cluster } = about
  const selects = (pod: KubeObject): boolean => isServing(pod, { namespace, cluster })
  const servingCount = measured.pods().filter(selects).length
  const found = measurePods(measured, { namespace, metric, selects })
  if (found.length === 0 || found.length < servingCount) return null
  return {
    objectName: cluster,
    milli: summarize(
      found.map(({ milli }) => milli),
      summary,
    ),
    atWallMs: Math.min(...found.map(({ atWallMs }) => atWallMs)),
  }
}

/** Active, as autoscalers count brokers. */
function isServing(pod: KubeObject, about: { namespace: string; cluster: string }): boolean {
  const { namespace, labels = {}, deletionTimestamp } = pod.metadata
  return (
    namespace === about.namespace &&
    labels[LABEL_CLUSTER] === about.cluster &&
    labels[LABEL_STATE] !== STATE_DRAINING &&
    deletionTimestamp === undefined &&
    isReady(pod)
  )
}

/** Thousandths as Kubernetes writes quantities. */
export function quantityText(milli: number): string {
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`
}
