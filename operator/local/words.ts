import { type DrainReason, type FleetEvent, type KillReason, nameOf } from './fleet-member.ts'
import {
  type BrokerMetric,
  brokerMetricNames,
  clusterMetrics,
  type Summary,
} from '../api/autoscaling.ts'
import type { HpaDecision, HpaMetric, MetricStatus } from './hpa.ts'

/** Sentences for people: what happens to the fleet, and why there are as many brokers as there are. */

const DRAIN_WORDS: Record<DrainReason, string> = {
  'scale-in': 'hands its partitions to the others',
  shutdown: 'hands over and ends',
  'by-itself': 'drains, though nobody here asked it to',
}
const KILL_WORDS: Record<KillReason, string> = {
  'start-too-long': 'did not begin to serve in time',
  'drain-too-long': 'did not drain in time',
  'no-answer': 'does not answer any more',
}

/** One line about `event`, or null for one that nobody misses. */
export function fleetEventWords(event: FleetEvent): string | null {
  switch (event.kind) {
    case 'started':
      return null
    case 'ready':
      return `${nameOf(event.member)} serves, ${seconds(event.tookMs)} after its start`
    case 'draining':
      return `${nameOf(event.member)} ${DRAIN_WORDS[event.why]}`
    case 'error':
      return `${nameOf(event.member)}: ${event.message}`
    case 'killed':
      return `${nameOf(event.member)} ${KILL_WORDS[event.why]}: ended by force`
    case 'ended':
      return endWords(event)
    case 'retrying':
      return event.delayMs === 0
        ? 'a new broker takes its place'
        : `${event.failures} deaths in a row: the next start is in ${seconds(event.delayMs)}`
    case 'cannot-start':
      return `brokers cannot start: ${event.lastError ?? 'they end without a word'}`
  }
}

function endWords(event: FleetEvent & { kind: 'ended' }): string {
  const { member, exit } = event
  if (event.drained) return `${nameOf(member)} is gone, drained in ${seconds(event.tookMs)}`
  const how = exit.signal === null ? `exit code ${exit.code ?? 'none'}` : `signal ${exit.signal}`
  const reason = exit.lastError === null ? '' : `: ${exit.lastError}`
  return `${nameOf(member)} died (${how})${reason}`
}

/** Why the autoscaler wants what it wants. */
export function decisionWords(decision: HpaDecision): string {
  switch (decision.basis) {
    case 'below-min':
      return 'fewer than minReplicas'
    case 'above-max':
      return 'more than maxReplicas'
    case 'no-metrics':
      return missingWords(decision.metrics)
    case 'metrics':
      return metricsWords(decision)
  }
}

function missingWords(metrics: readonly MetricStatus[]): string {
  const missing = metrics.filter((metric) => metric.averageMilli === null)
  const names = missing.map(shortName).join(', ')
  return `no measurement of ${names}: nothing changes`
}

function metricsWords(decision: HpaDecision): string {
  const metric = decision.metrics.find(({ name }) => name === decision.decidingMetric)
  if (metric === undefined || metric.averageMilli === null) return 'no metric decides'
  const measured = valueWords(metric, metric.averageMilli)
  const target = valueWords(metric, metric.targetMilli)
  const each = metric.compared === 'object' ? '' : ' per broker'
  let words = `${shortName(metric)} ${measured}${each}, target ${target}`
  const { recommendedReplicas } = decision
  if (recommendedReplicas !== decision.desiredReplicas) words += `: asks for ${recommendedReplicas}`
  if (decision.stabilized) words += ', waits for its window'
  if (decision.limit === 'scale-up-rate' || decision.limit === 'scale-down-rate') {
    words += ', as fast as the policies allow'
  } else if (decision.limit === 'max-replicas') words += ', at the maximum'
  else if (decision.limit === 'min-replicas') words += ', at the minimum'
  return words
}

const METRIC_WORDS: Record<BrokerMetric, { short: string; value: (value: number) => string }> = {
  streamcluster_network_bytes_per_second: {
    short: 'network',
    value: (value) => scaled(value, 'B/s'),
  },
  streamcluster_requests_per_second: { short: 'requests', value: (value) => scaled(value, '/s') },
  streamcluster_event_loop_utilization: { short: 'event loop', value: percent },
  streamcluster_wal_backlog_bytes: { short: 'WAL backlog', value: (value) => scaled(value, 'B') },
  streamcluster_saturation: { short: 'saturation', value: percent },
}
const SUMMARY_WORDS: Record<Summary, string> = {
  max: ' of the hottest broker',
  mean: ' of the mean broker',
  total: ' of all brokers',
}

function shortName({ name }: HpaMetric): string {
  const { metric, summary } = partsOf(name)
  const short = metric === null ? name : METRIC_WORDS[metric].short
  return summary === null ? short : `${short}${SUMMARY_WORDS[summary]}`
}

function valueWords({ name }: HpaMetric, milli: number): string {
  const { metric } = partsOf(name)
  return metric === null ? scaled(milli / 1000, '') : METRIC_WORDS[metric].value(milli / 1000)
}

function partsOf(name: string): { metric: BrokerMetric | null; summary: Summary | null } {
  const metric = brokerMetricNames.find((each) => each === name) ?? null
  return clusterMetrics.get(name) ?? { metric, summary: null }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** A value with at most three digits and a decimal prefix: 4 MB/s, 12.3 kB. */
export function scaled(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T'] as const
  let rest = value
  let step = 0
  // 999.5 would round to "1000"; it belongs to the next prefix.
  while (rest >= 999.5 && step < prefixes.length - 1) {
    rest /= 1000
    step += 1
  }
  const digits = rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2
  return `${Number(rest.toFixed(digits))} ${prefixes[step]}${unit}`
}

/** How long something took: 0.3 s, 12 s, 3 m 20 s. */
export function seconds(ms: number): string {
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : duration(ms)
}

/** How long something has lasted, in whole units: 7 s, 3 m 20 s, 2 h 5 m. */
export function duration(ms: number): string {
  const whole = Math.floor(ms / 1000)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`
}
