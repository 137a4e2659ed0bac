import { present } from '../../base/assert.ts'
import type { Autoscaling, ScalingMetric, ScalingRulesSpec } from '../api/autoscaling.ts'
import { quantityMilli, type Quantity } from '../api/quantity.ts'
import type { HpaMetric, HpaSpec } from './hpa.ts'
import type { ScalingRules } from './hpa-behavior.ts'

/** What Kubernetes fills in (k8s.io/kubernetes pkg/apis/autoscaling/v2/defaults.go). */
const SCALE_UP_DEFAULT: ScalingRules = {
  stabilizationWindowMs: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodMs: 15_000 },
    { type: 'Percent', value: 100, periodMs: 15_000 },
  ],
}
const SCALE_DOWN_DEFAULT: ScalingRules = {
  stabilizationWindowMs: 300_000,
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodMs: 15_000 }],
}
const TOLERANCE_DEFAULT = 0.1

/** `spec.autoscaling` with Kubernetes' defaults, in the autoscaler's own units. */
export function hpaSpecOf(autoscaling: Autoscaling): HpaSpec {
  const { scaleUp, scaleDown } = autoscaling.behavior ?? {}
  return {
    minReplicas: autoscaling.minReplicas,
    maxReplicas: autoscaling.maxReplicas,
    metrics: (autoscaling.metrics ?? []).map(metricOf),
    tolerance: {
      scaleUp: toleranceOf(scaleUp),
      scaleDown: toleranceOf(scaleDown),
    },
    scaleUp: rulesOf(scaleUp, SCALE_UP_DEFAULT),
    scaleDown: rulesOf(scaleDown, SCALE_DOWN_DEFAULT),
  }
}

function metricOf({ pods, object }: ScalingMetric): HpaMetric {
  const { metric, target } = present(pods ?? object, 'the metric that the schema asks for')
  const isPerPod = target.type === 'AverageValue'
  const value = 'value' in target && !isPerPod ? target.value : target.averageValue
  return {
    name: metric.name,
    compared: pods !== undefined ? 'pods' : isPerPod ? 'object-per-pod' : 'object',
    targetMilli: milli(present(value, 'the target that the schema asks for')),
  }
}

function rulesOf(rules: ScalingRulesSpec | undefined, defaults: ScalingRules): ScalingRules {
  const windowSeconds = rules?.stabilizationWindowSeconds
  return {
    stabilizationWindowMs:
      windowSeconds === undefined ? defaults.stabilizationWindowMs : windowSeconds * 1000,
    selectPolicy: rules?.selectPolicy ?? defaults.selectPolicy,
    policies:
      rules?.policies?.map(({ type, value, periodSeconds }) => ({
        type,
        value,
        periodMs: periodSeconds * 1000,
      })) ?? defaults.policies,
  }
}

function toleranceOf(rules: ScalingRulesSpec | undefined): number {
  return rules?.tolerance === undefined ? TOLERANCE_DEFAULT : milli(rules.tolerance) / 1000
}

function milli(quantity: Quantity): number {
  return present(quantityMilli(quantity), `the quantity ${quantity} that the schema let through`)
}
