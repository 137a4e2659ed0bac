import { expect, test } from '@jest/globals'
import { adminScenario } from '../scenarios/admin.ts'
import { clients } from './clients.ts'
import type { Outcome } from './outcome.ts'
import { renderReport, saysTheSame } from './report.ts'

function report(outcome: Outcome): string {
  const kcat = clients.filter(({ name }) => name === 'kcat')
  const cells = [{ scenario: 'admin', client: 'kcat', outcome }]
  const versions = new Map([['kcat', '1']])
  return renderReport({ scenarios: [adminScenario], clients: kcat, versions, cells, tools: [] })
}

test('a second try is said, of a client that is used in another way too', () => {
  expect(report({ result: 'passed', remark: '5 calls', atSecondTry: true })).toContain(
    '| 5 calls, at the second try |',
  )
  const adjusted = { result: 'adjusted', why: 'it is kept on a leash' } as const
  const text = report({ ...adjusted, atSecondTry: true })
  expect(text).toContain('| passed if <sup>1</sup>, at the second try |')
  expect(text).toContain('\n1. kcat: it is kept on a leash.\n')
})

test('two reports say the same but for second tries', () => {
  const first = report({ result: 'passed' })
  expect(saysTheSame(first, report({ result: 'passed', atSecondTry: true }))).toBe(true)
  expect(saysTheSame(first, report({ result: 'failed', why: 'who knows' }))).toBe(false)
})
