import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { autoscaling, type Autoscaling } from '../api/autoscaling.ts'
import { decideReplicas, type HpaDecision, type HpaSight, initialHpaMemory } from './hpa.ts'
import type { HpaPod } from './hpa-metric.ts'
import { hpaSpecOf } from './hpa-spec.ts'

const NETWORK = 'streamcluster_network_bytes_per_second'
const REQUESTS = 'streamcluster_requests_per_second'
const SATURATION = 'streamcluster_saturation_max'
const BYTES_TOTAL = `${NETWORK}_total`
const SYNC_MS = 15_000

type Behavior = NonNullable<Autoscaling['behavior']>

function spec(
  options: { min?: number; max?: number; behavior?: Behavior; requests?: boolean } = {},
) {
  const metric = (name: string) => ({
    type: 'Pods',
    pods: { metric: { name }, target: { type: 'AverageValue', averageValue: 100 } },
  })
  return hpaSpecOf(
    autoscaling.parse({
      minReplicas: options.min ?? 1,
      maxReplicas: options.max ?? 1000,
      metrics: [metric(NETWORK), ...(options.requests ? [metric(REQUESTS)] : [])],
      behavior: options.behavior,
    }),
  )
}

/** `count` pods, each with this much of the two metrics; null is not measured. */
function pods(count: number, network: number | null, requests: number | null = null): HpaPod[] {
  const milliByMetric = new Map<string, number>()
  if (network !== null) milliByMetric.set(NETWORK, network * 1000)
  if (requests !== null) milliByMetric.set(REQUESTS, requests * 1000)
  return Array.from({ length: count }, (_, index) => ({
    name: `p${index}`,
    phase: 'running',
    milliByMetric,
  }))
}

/** `clusterMetric`: what SATURATION and BYTES_TOTAL are; null is not known. */
function sight(
  nowMs: number,
  currentReplicas: number,
  seen: HpaPod[],
  clusterMetric: number | null = null,
): HpaSight {
  const milliByClusterMetric = new Map<string, number>()
  if (clusterMetric !== null) {
    milliByClusterMetric.set(SATURATION, clusterMetric * 1000)
    milliByClusterMetric.set(BYTES_TOTAL, clusterMetric * 1000)
  }
  return { nowMs, currentReplicas, pods: seen, milliByClusterMetric }
}

/** Plays a total load, shared evenly, one look each 15 s; returns the number after each look. */
function play(
  hpa: ReturnType<typeof spec>,
  from: number,
  totals: readonly number[],
): { replicas: number[]; decisions: HpaDecision[] } {
  let current = from
  let memory = initialHpaMemory({ nowMs: 0, currentReplicas: current })
  const replicas: number[] = []
  const decisions: HpaDecision[] = []
  totals.forEach((total, look) => {
    const nowMs = look * SYNC_MS
    const now = sight(nowMs, current, pods(current, total / current))
    const result = decideReplicas(hpa, memory, now)
    memory = result.memory
    current = result.decision.desiredReplicas
    replicas.push(current)
    decisions.push(result.decision)
  })
  return { replicas, decisions }
}

const repeat = (value: number, count: number): number[] => Array<number>(count).fill(value)

describe('defaults, as Kubernetes documents them', () => {
  test('up: at once, the larger of 4 pods and 100 % in 15 s', () => {
    expect(play(spec(), 1, repeat(10_000, 6)).replicas).toEqual([5, 10, 20, 40, 80, 100])
  })

  test('down: only after 300 s, then all at once', () => {
    const { replicas } = play(spec(), 50, repeat(100, 22))
    expect(replicas.slice(0, 20)).toEqual(repeat(50, 20))
    expect(replicas.slice(20)).toEqual([1, 1])
  })

  test('a load that flaps keeps the higher number', () => {
    const flapping = Array.from({ length: 100 }, (_, look) => (look % 10 < 2 ? 1000 : 300))
    const { replicas, decisions } = play(spec(), 10, flapping)
    expect(new Set(replicas)).toEqual(new Set([10]))
    expect(decisions.some((decision) => decision.stabilized)).toBe(true)
  })

  test('a load that stays low after the last peak goes down 300 s after that peak', () => {
    const { replicas } = play(spec(), 10, [...repeat(300, 5), 1000, ...repeat(300, 25)])
    expect(replicas.indexOf(3)).toBe(5 + 20)
  })
})

describe('bounds', () => {
  test.each([
    ['max', { max: 4 }, 3, 2000, 4, 'max-replicas'],
    [
      'min',
      { min: 2, behavior: { scaleDown: { stabilizationWindowSeconds: 0 } } },
      5,
      0,
      2,
      'min-replicas',
    ],
  ] as const)('%s holds against the metrics', (_, options, from, total, expected, limit) => {
    const { replicas, decisions } = play(spec(options), from, [total])
    expect(replicas).toEqual([expected])
    expect(decisions[0]?.limit).toBe(limit)
  })

  test.each([
    ['below-min', { min: 3 }, 1, 3],
    ['above-max', { max: 3 }, 9, 3],
  ] as const)('%s is mended at once, without metrics', (basis, options, from, expected) => {
    const memory = initialHpaMemory({ nowMs: 0, currentReplicas: from })
    const now = sight(0, from, pods(from, null))
    const { decision } = decideReplicas(spec(options), memory, now)
    expect(decision).toMatchObject({ basis, desiredReplicas: expected })
  })

  test('whatever is measured, the number stays within min and max', () => {
    const load = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(load, fc.integer({ min: 1, max: 20 }), fc.nat(20), (totals, min, more) => {
        const window = { stabilizationWindowSeconds: 30 }
        const hpa = spec({ min, max: min + more, behavior: { scaleDown: window } })
        for (const replicas of play(hpa, min, totals).replicas) {
          expect(replicas).toBeGreaterThanOrEqual(min)
          expect(replicas).toBeLessThanOrEqual(min + more)
        }
      }),
    )
  })
})

describe('several metrics', () => {
  test.each([
    ['the one that asks for more wins', 200, 300, { desiredReplicas: 6, decidingMetric: REQUESTS }],
    ['more, though one is missing', 200, null, { desiredReplicas: 4, decidingMetric: NETWORK }],
    ['never fewer while one is missing', 10, null, { desiredReplicas: 2, basis: 'no-metrics' }],
    ['nothing while all are missing', null, null, { desiredReplicas: 2, basis: 'no-metrics' }],
  ])('%s', (_, network, requests, expected) => {
    const hpa = spec({
      requests: true,
      behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
    })
    const memory = initialHpaMemory({ nowMs: 0, currentReplicas: 2 })
    const now = sight(SYNC_MS, 2, pods(2, network, requests))
    expect(decideReplicas(hpa, memory, now).decision).toMatchObject(expected)
  })
})

describe('metrics of the cluster as a whole', () => {
  const hpa = (metric: string, target: object): ReturnType<typeof spec> =>
    hpaSpecOf(
      autoscaling.parse({
        ...{ minReplicas: 1, maxReplicas: 100 },
        metrics: [{ type: 'Object', object: { metric: { name: metric }, target } }],
        behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
      }),
    )
  const value = { type: 'Value', value: '800m' }
  const average = { type: 'AverageValue', averageValue: 100 }

  test.each([
    ['Value: pods × value / target, rounded up', SATURATION, value, 4, 1, 5],
    ['Value: fewer, too', SATURATION, value, 4, 0.4, 2],
    ['Value: within the tolerance nothing changes', SATURATION, value, 4, 0.87, 4],
    ['AverageValue: value / target, rounded up', BYTES_TOTAL, average, 4, 701, 8],
    ['AverageValue: within the tolerance nothing changes', BYTES_TOTAL, average, 4, 430, 4],
    ['unknown: nothing changes', SATURATION, value, 4, null, 4],
  ])('%s', (_, metric, target, from, seen, expected) => {
    const memory = initialHpaMemory({ nowMs: 0, currentReplicas: from })
    const now = sight(SYNC_MS, from, pods(from, 1), seen)
    const { decision } = decideReplicas(hpa(metric, target), memory, now)
    expect(decision.desiredReplicas).toBe(expected)
  })

  test('only pods that serve count with Value', () => {
    const memory = initialHpaMemory({ nowMs: 0, currentReplicas: 4 })
    const now = sight(SYNC_MS, 4, [...pods(2, 1), ...pods(2, null)], 1.6)
    expect(decideReplicas(hpa(SATURATION, value), memory, now).decision.desiredReplicas).toBe(4)
  })
})

describe('stabilization windows', () => {
  test('a scale-up window waits for the lowest recommendation to age', () => {
    const behavior = { scaleUp: { stabilizationWindowSeconds: 60 } }
    const { replicas } = play(spec({ behavior }), 1, repeat(300, 6))
    // The first number counts as a recommendation of 1 for 60 s, which are 4 looks.
    expect(replicas).toEqual([1, 1, 1, 1, 3, 3])
  })

  test('a short peak does not pass a scale-up window', () => {
    const behavior = { scaleUp: { stabilizationWindowSeconds: 60 } }
    const totals = [...repeat(100, 5), 900, 900, ...repeat(100, 5)]
    expect(play(spec({ behavior }), 1, totals).replicas).toEqual(repeat(1, 12))
  })

  test('with windows in both directions, noise between them changes nothing', () => {
    const window = { stabilizationWindowSeconds: 120 }
    const totals = Array.from({ length: 60 }, (_, look) => (look % 2 ? 800 : 300))
    const { replicas } = play(spec({ behavior: { scaleUp: window, scaleDown: window } }), 5, totals)
    expect(replicas).toEqual(repeat(5, 60))
  })
})

describe('policies', () => {
  const down = (rules: Behavior['scaleDown']): Behavior => ({
    scaleDown: { stabilizationWindowSeconds: 0, ...rules },
  })

  test('at most 1 pod in 60 s: the event of the period holds the next one back', () => {
    const behavior = down({ policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] })
    const { replicas, decisions } = play(spec({ behavior }), 5, repeat(0, 9))
    expect(replicas).toEqual([4, 4, 4, 4, 3, 3, 3, 3, 2])
    expect(decisions[1]?.limit).toBe('scale-down-rate')
  })

  test('10 % in 60 s is 10 % of the number at the start of the period', () => {
    const behavior = down({ policies: [{ type: 'Percent', value: 10, periodSeconds: 60 }] })
    const { replicas } = play(spec({ behavior }), 100, repeat(0, 9))
    expect(replicas).toEqual([90, 90, 90, 90, 81, 81, 81, 81, 72])
  })

  test.each([
    ['Max', [90, 81, 72, 64, 57, 51, 45, 40, 35, 30, 25, 20, 15, 10, 5, 1, 1]],
    ['Min', [95, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 36, 32, 28, 25, 22]],
  ] as const)('selectPolicy %s over 5 pods and 10 %%, per minute', (selectPolicy, expected) => {
    const behavior = down({
      selectPolicy,
      policies: [
        { type: 'Pods', value: 5, periodSeconds: 60 },
        { type: 'Percent', value: 10, periodSeconds: 60 },
      ],
    })
    const { replicas } = play(spec({ behavior }), 100, repeat(0, 4 * expected.length))
    expect(replicas.filter((_, look) => look % 4 === 0)).toEqual(expected)
  })

  test.each(['scaleUp', 'scaleDown'] as const)('Disabled forbids %s and nothing else', (which) => {
    const behavior: Behavior = {
      scaleDown: { stabilizationWindowSeconds: 0 },
      [which]: { stabilizationWindowSeconds: 0, selectPolicy: 'Disabled' },
    }
    const upwards = play(spec({ behavior }), 2, [1000]).replicas[0]
    const downwards = play(spec({ behavior }), 2, [0]).replicas[0]
    expect(upwards).toBe(which === 'scaleUp' ? 2 : 6)
    expect(downwards).toBe(which === 'scaleDown' ? 2 : 1)
  })

  test('an outdated event that a newer one replaced is not seen by the other direction', () => {
    const behavior: Behavior = {
      scaleUp: { policies: [{ type: 'Pods', value: 3, periodSeconds: 30 }] },
      scaleDown: {
        stabilizationWindowSeconds: 0,
        policies: [{ type: 'Pods', value: 3, periodSeconds: 180 }],
      },
    }
    const { replicas } = play(spec({ behavior }), 5, [1000, 800, 800, 1100, 0])
    // Down from 8, where the last remembered +3 began; both remembered, it would be 5 - 3 = 2.
    expect(replicas).toEqual([8, 8, 8, 11, 5])
  })

  test('a small percentage still adds one pod', () => {
    const behavior = {
      scaleUp: { policies: [{ type: 'Percent' as const, value: 1, periodSeconds: 15 }] },
    }
    expect(play(spec({ behavior }), 3, repeat(1000, 3)).replicas).toEqual([4, 5, 6])
  })

  test.each(['scaleUp', 'scaleDown'] as const)(
    'no period sees a larger change than the policy of %s allows',
    (which) => {
      const load = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 5, maxLength: 60 })
      fc.assert(
        fc.property(load, fc.integer({ min: 1, max: 5 }), (totals, value) => {
          const behavior: Behavior = {
            scaleUp: { selectPolicy: 'Disabled' },
            scaleDown: { selectPolicy: 'Disabled' },
            [which]: {
              stabilizationWindowSeconds: 0,
              policies: [{ type: 'Pods' as const, value, periodSeconds: 60 }],
            },
          }
          const all = [30, ...play(spec({ behavior }), 30, totals).replicas]
          for (let look = 4; look < all.length; look++) {
            const change = Math.abs((all[look] ?? 0) - (all[look - 4] ?? 0))
            expect(change).toBeLessThanOrEqual(value)
          }
        }),
      )
    },
  )
})
