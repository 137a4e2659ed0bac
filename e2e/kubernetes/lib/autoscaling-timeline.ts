import { quantityMilli } from '../../../operator/api/quantity.ts'
import type { KubeObject } from '../../../operator/kube/objects.ts'
import { NAMESPACE, type Product } from './product.ts'
import { repeating } from './repeating.ts'

const LOOK_MS = 100
const METRIC_LOOK_MS = 250
/** How far from its target a metric must be before an HPA does anything. */
const HPA_TOLERANCE = 0.1

const metricValues = {
  ...{ apiVersion: 'custom.metrics.k8s.io/v1beta2', kind: 'MetricValueList', plural: 'pods' },
  isNamespaced: true,
}

interface MetricValueList extends KubeObject {
  readonly items: readonly { readonly value: string }[]
}

/** What an HPA sees and writes, and when; wall milliseconds. */
export class AutoscalingTimeline {
  /** When `/scale` was first seen to say a number since it said another one. */
  readonly scaledAtMs = new Map<number, number>()
  /** When the metric last went above its target by more than the tolerance. */
  crossedAtMs = Number.NaN
  private isAbove = false
  private readonly options: AutoscalingTimelineOptions
  private replicas = -1
  private readonly looks: readonly { close(): Promise<void> }[]

  constructor(options: AutoscalingTimelineOptions) {
    this.options = options
    this.looks = [
      repeating(LOOK_MS, () => this.lookAtScale()),
      repeating(METRIC_LOOK_MS, () => this.lookAtMetric()),
    ]
  }

  private async lookAtScale(): Promise<void> {
    const { product, name } = this.options
    const replicas = (await product.find(name))?.spec.replicas
    if (replicas === undefined || replicas === this.replicas) return
    this.replicas = replicas
    this.scaledAtMs.set(replicas, Date.now())
  }

  private async lookAtMetric(): Promise<void> {
    const { product, metric, target } = this.options
    const everyPod = { namespace: NAMESPACE, name: '*' }
    const options = { subresource: metric }
    const found = await product.client.get<MetricValueList>(metricValues, everyPod, options)
    if (!found.ok || found.value.items.length === 0) return
    const values = found.value.items.map(({ value }) => (quantityMilli(value) ?? Number.NaN) / 1000)
    const sum = values.reduce((total, each) => total + each, 0)
    const isAbove = sum / values.length > target * (1 + HPA_TOLERANCE)
    if (isAbove && !this.isAbove) this.crossedAtMs = Date.now()
    this.isAbove = isAbove
  }

  async close(): Promise<void> {
    await Promise.all(this.looks.map((each) => each.close()))
  }
}

interface AutoscalingTimelineOptions {
  readonly product: Product
  /** Of the only cluster in its namespace. */
  readonly name: string
  /** One of pods, and the mean over them that is wanted. */
  readonly metric: string
  readonly target: number
}
