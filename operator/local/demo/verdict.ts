import { seconds } from '../words.ts'
import type { LoadOutcome } from './load-process.ts'

/** What the demo is to show, and whether it did. */
export interface DemoFindings {
  /** Whether as many brokers served as the heavy load needs, in time. */
  readonly grew: boolean
  /** Whether one broker alone served again, in time. */
  readonly shrank: boolean
  /** From the first broker that served to the end of the check. */
  readonly totalMs: number
  readonly load: LoadOutcome
}

/** "About two minutes" is promised; a machine that others use gets half as much again. */
export const TOTAL_MS_MAX = 180_000

/** Good only if everything that the demo promises was seen: the exit code hangs on it. */
export function verdictOf(findings: DemoFindings): { words: string; good: boolean } {
  const { grew, shrank, totalMs, load } = findings
  const { words, faults } = checkOf(load)
  if (!grew) faults.push('it did not grow')
  if (!shrank) faults.push('it did not shrink')
  if (totalMs > TOTAL_MS_MAX) faults.push(`it may take ${seconds(TOTAL_MS_MAX)}`)
  const good = faults.length === 0
  const head = good ? 'checked, all good' : `checked, NOT good (${faults.join('; ')})`
  return { words: `${head}: ${words}, in ${seconds(totalMs)}`, good }
}

function checkOf(load: LoadOutcome): { words: string; faults: string[] } {
  if (load.kind === 'fault') return { words: load.message, faults: ['the load failed'] }
  const { acknowledged, findings, complete } = load
  const { read, missing, duplicated, misplaced } = findings
  const faults: string[] = []
  if (missing + duplicated + misplaced > 0) faults.push('records are not as they were written')
  if (!complete) faults.push('the end of what was written was not reached in time')
  if (acknowledged === 0) faults.push('nothing was acknowledged')
  const words =
    `${acknowledged} records acknowledged, ${read} read: ` +
    `${missing} lost, ${duplicated} duplicated, ${misplaced} out of place`
  return { words, faults }
}
