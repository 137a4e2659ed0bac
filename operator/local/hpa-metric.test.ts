import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { proposeReplicas, type HpaPod } from './hpa-metric.ts'

/** Pods by their measured value; `?` is running without a measurement, `pending` not started. */
function podsOf(values: readonly (number | '?' | 'pending')[]): HpaPod[] {
  return values.map((value, index) => ({
    name: `p${index}`,
    phase: value === 'pending' ? 'pending' : 'running',
    milliByMetric: new Map(typeof value === 'number' ? [['m', value * 1000]] : []),
  }))
}

function propose(
  values: readonly (number | '?' | 'pending')[],
  targetMilli: number,
  options: { current?: number; tolerance?: { scaleUp: number; scaleDown: number } } = {},
): number | null {
  const proposal = proposeReplicas(podsOf(values), {
    metric: 'm',
    targetMilli,
    currentReplicas: options.current ?? values.length,
    tolerance: options.tolerance ?? { scaleUp: 0.1, scaleDown: 0.1 },
  })
  return proposal.kind === 'measured' ? proposal.replicas : null
}

describe('the number of pods that a metric asks for', () => {
  test.each([
    ['twice the target doubles', [200, 200, 200], 6],
    ['half the target halves', [50, 50, 50, 50], 2],
    ['a fraction is rounded up', [134, 134, 134], 5],
    ['the mean counts, not the hottest pod', [300, 0, 0], 3],
    ['nothing to do wants one less than any pod needs', [0, 0, 0], 0],
    ['1.1 of the target is within tolerance', [110], 1],
    ['a thousandth above it is not', [110.001], 2],
    ['0.9 of the target is within tolerance', [90, 90, 90, 90, 90, 90, 90, 90, 90, 90], 10],
    ['a thousandth below it is not', Array<number>(10).fill(89.999), 9],
  ])('%s', (_, values, expected) => {
    expect(propose(values, 100_000)).toBe(expected)
  })

  test.each([
    ['scaleUp 0.5 keeps at 1.5', [150], { scaleUp: 0.5, scaleDown: 0.1 }, 1],
    ['scaleUp 0.5 acts above 1.5', [151], { scaleUp: 0.5, scaleDown: 0.1 }, 2],
    ['scaleUp 0 acts on anything above', [100.001, 100.001], { scaleUp: 0, scaleDown: 0.1 }, 3],
    ['scaleDown 0 acts where one less is enough', [49, 49], { scaleUp: 0.1, scaleDown: 0 }, 1],
    ['scaleDown 0.6 keeps at 0.4', [40, 40], { scaleUp: 0.1, scaleDown: 0.6 }, 2],
  ])('tolerance per direction: %s', (_, values, tolerance, expected) => {
    expect(propose(values, 100_000, { tolerance })).toBe(expected)
  })

  test.each([
    ['unmeasured pods are idle on the way up', [300, '?', '?'], 3],
    ['still up, if the rest is enough for it', [900, '?', '?'], 9],
    ['unmeasured pods are on target on the way down', [10, '?', '?'], 3],
    ['still down, if the rest is idle enough', [0, 0, 0, 0, '?'], 1],
    ['pending pods are idle on the way up', [300, 'pending', 'pending'], 3],
    ['pending pods do not hold back a way down', [10, 'pending', 'pending'], 1],
    ['what would turn the direction changes nothing', [120, '?'], 2],
    ['no measurement, no answer', ['?', '?'], null],
    ['pending pods alone, no answer', ['pending'], null],
    ['no pods, no answer', [], null],
  ] as const)('%s', (_, values, expected) => {
    expect(propose(values, 100_000)).toBe(expected)
  })

  test('fewer pods than wanted do not turn "more" into "fewer"', () => {
    // 10 wanted, 2 of them run: both at 3 times the target ask for 6, which is not a scale-down.
    expect(propose([300, '?'], 100_000, { current: 10 })).toBe(10)
  })

  test('a missing measurement never leads to a larger change', () => {
    const value = fc.integer({ min: 0, max: 1000 })
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 20 }), fc.nat(10), (known, lost) => {
        const current = known.length + lost
        const proposed = propose([...known, ...Array<'?'>(lost).fill('?')], 100_000) ?? 0
        const ratio = known.reduce((sum, each) => sum + each, 0) / known.length / 100
        if (ratio > 1) {
          expect(proposed).toBeGreaterThanOrEqual(current)
          expect(proposed).toBeLessThanOrEqual(Math.max(current, Math.ceil(ratio * current)))
        }
        if (ratio < 1) {
          expect(proposed).toBeLessThanOrEqual(current)
          expect(proposed).toBeGreaterThanOrEqual(Math.floor(ratio * current))
        }
      }),
    )
  })
})
