import { z } from 'zod'
import { fields, wholeNumber } from './fields.ts'
import { celRules } from './kubernetes.ts'
import { quantityMilli } from './quantity.ts'

/**
 * The metrics a broker offers to autoscalers, each about that one broker. `brokers/broker-load.ts`
 * computes them from the broker's own report; the metrics API serves the same names.
 */
export const brokerMetrics = {
  streamcluster_network_bytes_per_second: 'bytes received from and sent to clients, per second',
  streamcluster_requests_per_second: 'requests answered per second',
  streamcluster_event_loop_utilization:
    'share of time the event loop is busy, 0 to 1 (800m = 80 %)',
  streamcluster_wal_backlog_bytes: 'bytes accepted from producers and not yet durable',
  streamcluster_saturation:
    'share used of what is scarcest, the event loop or the room for bytes that are not yet durable; ' +
    'from 1 on, producers are held up',
} as const
export type BrokerMetric = keyof typeof brokerMetrics
export const brokerMetricNames = Object.keys(brokerMetrics) as readonly BrokerMetric[]

/** What a cluster's metric takes of the values of its brokers. */
const summaries = ['max', 'mean', 'total'] as const
export type Summary = (typeof summaries)[number]

/** The metrics of a whole cluster by name, such as `streamcluster_saturation_max`. */
export const clusterMetrics: ReadonlyMap<
  string,
  { readonly metric: BrokerMetric; readonly summary: Summary }
> = new Map(
  brokerMetricNames.flatMap((metric) =>
    summaries.map((summary) => [`${metric}_${summary}`, { metric, summary }]),
  ),
)

/** Kubernetes' own limits (k8s.io/api autoscaling/v2, HPAScalingRules and HPAScalingPolicy). */
const STABILIZATION_SECONDS_MAX = 3600
const PERIOD_SECONDS_MAX = 1800
/** Keeps the rules of the resource definition cheap; there are fewer metrics than this. */
const METRICS_MAX = 16
/** Not a limit of the design; it keeps a typing error from starting a thousand processes. */
export const REPLICAS_MAX = 10_000

const quantity = z
  .union([z.string(), z.number()], { error: 'must be a quantity such as 60M, 800m or 0.8' })
  .refine((value) => quantityMilli(value) !== null, {
    error: 'must be a quantity that is not negative, such as 60M, 800m or 0.8',
  })
  .meta({ 'x-kubernetes-int-or-string': true })

const positiveQuantity = quantity.refine((value) => quantityMilli(value) !== 0, {
  error: 'must be more than zero',
})

/** That `field` is there with that type, and only then: as Zod checks it, and the API server. */
function goesWith(type: string, field: string, where: string) {
  return {
    holds: (value: object): boolean => {
      const given = value as Record<string, unknown>
      return (given['type'] === type) === (given[field] !== undefined)
    },
    problem: { path: [field], error: `must be there with type ${type}, and only then` },
    rule: [
      `(self.type == '${type}') == has(self.${field})`,
      `${where}: ${field} goes with type ${type}, and only with it`,
    ] as const,
  }
}

const podsMetric = fields({
  metric: fields({
    name: z
      .enum(brokerMetricNames, {
        error: `must be one of the brokers' metrics: ${brokerMetricNames.join(', ')}`,
      })
      .describe(brokerMetricNames.map((name) => `${name}: ${brokerMetrics[name]}.`).join(' ')),
  }).describe('The metric to look at.'),
  target: fields({
    type: z
      .literal('AverageValue', { error: 'must be AverageValue' })
      .describe('AverageValue: the target is a mean per broker.'),
    averageValue: positiveQuantity.describe(
      'What one broker should carry, as a quantity: 60M is 60,000,000; 800m is 0.8.',
    ),
  }).describe('What one broker should carry.'),
})

const TARGET = 'autoscaling.metrics[].object.target'
const withValue = goesWith('Value', 'value', TARGET)
const withAverageValue = goesWith('AverageValue', 'averageValue', TARGET)

const objectMetric = fields({
  metric: fields({
    name: z
      .enum([...clusterMetrics.keys()], {
        error:
          "must be one of the brokers' metrics with _max (of the hottest broker), _mean or _total: " +
          'streamcluster_saturation_max, for one',
      })
      .describe(
        "One of the brokers' metrics with _max (of the hottest broker), _mean or _total. It is known " +
          'only while every broker that serves tells its load.',
      ),
  }).describe('The metric of the cluster to look at.'),
  target: fields({
    type: z
      .enum(['Value', 'AverageValue'], { error: 'must be Value or AverageValue' })
      .describe(
        'Value: the metric is compared as it is. AverageValue: it is divided by the number of ' +
          'brokers first, which suits _total.',
      ),
    value: positiveQuantity
      .optional()
      .describe('What the metric should be, with type Value, as a quantity: 800m is 0.8.'),
    averageValue: positiveQuantity
      .optional()
      .describe("What one broker's share of it should be, with type AverageValue."),
  })
    .refine(withValue.holds, withValue.problem)
    .refine(withAverageValue.holds, withAverageValue.problem)
    .meta(celRules(withValue.rule, withAverageValue.rule))
    .describe('What the metric should be.'),
})

const withPods = goesWith('Pods', 'pods', 'autoscaling.metrics[]')
const withObject = goesWith('Object', 'object', 'autoscaling.metrics[]')

const scalingMetric = fields({
  type: z
    .enum(['Pods', 'Object'], { error: 'must be Pods or Object' })
    .describe(
      'Pods: the mean over all active brokers is compared with the target. Object: a metric of the ' +
        'cluster as a whole is.',
    ),
  pods: podsMetric.optional().describe('The metric and its target, with type Pods.'),
  object: objectMetric
    .optional()
    .describe('The metric of this cluster and its target, with type Object.'),
})
  .refine(withPods.holds, withPods.problem)
  .refine(withObject.holds, withObject.problem)
  .meta(celRules(withPods.rule, withObject.rule))

const scalingPolicy = fields({
  type: z
    .enum(['Pods', 'Percent'], { error: 'must be Pods or Percent' })
    .describe('Pods: `value` brokers per period. Percent: `value` percent of them per period.'),
  value: wholeNumber(1, REPLICAS_MAX).describe('How much change one period allows.'),
  periodSeconds: wholeNumber(1, PERIOD_SECONDS_MAX).describe('Length of the period.'),
})

const scalingRules = fields({
  stabilizationWindowSeconds: wholeNumber(0, STABILIZATION_SECONDS_MAX)
    .optional()
    .describe(
      'How long recommendations are remembered: the most cautious one of this window counts. ' +
        'Default 0 when scaling up, 300 when scaling down.',
    ),
  selectPolicy: z
    .enum(['Max', 'Min', 'Disabled'], { error: 'must be Max, Min or Disabled' })
    .optional()
    .describe('Which policy counts, if there are several; Disabled forbids this direction.'),
  policies: z
    .array(scalingPolicy)
    .min(1, 'must list at least one policy (leave the field out for the defaults)')
    .optional()
    .describe('How fast the number of brokers may change.'),
  tolerance: quantity
    .optional()
    .describe('How far, as a share, the metric may be off its target without a change: 0.1.'),
})

/** `spec.autoscaling`: what of autoscaling/v2 concerns brokers, in its own words. */
export const autoscaling = fields({
  mode: z
    .enum(['HPA', 'External', 'None'], { error: 'must be HPA, External or None' })
    .default('HPA')
    .describe(
      'HPA: a HorizontalPodAutoscaler is made of this. External: another autoscaler (yours, KEDA) ' +
        'writes replicas, kept within the bounds here. None: replicas is obeyed as it is.',
    ),
  minReplicas: wholeNumber(1, REPLICAS_MAX).describe('Never fewer brokers than this.'),
  maxReplicas: wholeNumber(1, REPLICAS_MAX).describe('Never more brokers than this.'),
  metrics: z
    .array(scalingMetric)
    .min(1, 'must list at least one metric')
    .max(METRICS_MAX, `must list at most ${METRICS_MAX} metrics`)
    .optional()
    .describe(
      'What decides, with mode HPA. Over several metrics, the one that asks for most brokers wins.',
    ),
  behavior: fields({
    scaleUp: scalingRules
      .optional()
      .describe('Adding brokers. Default: at once, the larger of 4 and 100 % per 15 s.'),
    scaleDown: scalingRules
      .optional()
      .describe('Removing brokers. Default: after 300 s of lower load, as many as needed.'),
  })
    .optional()
    .describe("How fast, as in HorizontalPodAutoscaler's spec.behavior."),
})
  .refine((value) => value.minReplicas <= value.maxReplicas, {
    path: ['minReplicas'],
    error: 'must not be more than maxReplicas',
  })
  .refine((value) => value.mode !== 'HPA' || value.metrics !== undefined, {
    path: ['metrics'],
    error: 'must list at least one metric if mode is HPA',
  })
  .meta(
    celRules(
      [
        'self.minReplicas <= self.maxReplicas',
        'autoscaling.minReplicas must not be more than maxReplicas',
      ],
      [
        "self.mode != 'HPA' || has(self.metrics)",
        'autoscaling.metrics must list at least one metric if mode is HPA',
      ],
    ),
  )

export type Autoscaling = z.infer<typeof autoscaling>
export type ScalingMetric = z.infer<typeof scalingMetric>
export type ScalingRulesSpec = z.infer<typeof scalingRules>
