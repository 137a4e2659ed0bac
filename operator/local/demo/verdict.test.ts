import { describe, expect, test } from '@jest/globals'
import { type DemoFindings, TOTAL_MS_MAX, verdictOf } from './verdict.ts'

const clean = { read: 500, missing: 0, duplicated: 0, misplaced: 0 }
const load = { kind: 'finished', acknowledged: 500, findings: clean, complete: true } as const
const shown: DemoFindings = { grew: true, shrank: true, totalMs: 120_000, load }

describe('the verdict of the demo', () => {
  test('is good when all that it promises was seen, and tells the time', () => {
    const { good, words } = verdictOf(shown)
    expect(good).toBe(true)
    expect(words).toContain('500 records acknowledged, 500 read')
    expect(words).toMatch(/in 2 m 0 s$/)
  })

  const withFindings = (change: object): Partial<DemoFindings> => {
    return { load: { ...load, findings: { ...clean, ...change } } }
  }
  test.each<[string, Partial<DemoFindings>]>([
    ['it did not grow', { grew: false }],
    ['it did not shrink', { shrank: false }],
    ['it may take', { totalMs: TOTAL_MS_MAX + 1 }],
    ['not as they were written', withFindings({ missing: 1 })],
    ['not as they were written', withFindings({ duplicated: 1 })],
    ['not as they were written', withFindings({ misplaced: 1 })],
    ['not reached in time', { load: { ...load, complete: false } }],
    ['nothing was acknowledged', { load: { ...load, acknowledged: 0 } }],
    ['the load failed', { load: { kind: 'fault', message: 'no leader' } }],
  ])('is not good, and says why: %s', (words, change) => {
    const verdict = verdictOf({ ...shown, ...change })
    expect(verdict.good).toBe(false)
    expect(verdict.words).toContain(words)
  })
})
