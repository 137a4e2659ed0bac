import { ADMIN_CALLS } from '../lib/admin-calls.ts'
import type { Cell } from '../lib/cell.ts'
import type { Client } from '../lib/client.ts'
import type { Scenario } from './scenario.ts'

/**
 * What the client's admin part offers of topics, configs, offsets and groups, step by step. Each
 * call of the list is either made, or named as what the client does not offer.
 */
export async function runAdmin(cell: Cell): Promise<string> {
  const session = await cell.admin()
  await session.end()
  const failed = session.steps.filter(({ outcome }) => outcome === 'failed')
  if (failed.length > 0) {
    throw new Error(failed.map(({ name, message }) => `${name}: ${message}`).join('; '))
  }
  const made = session.steps.map(({ name }) => name)
  const wanted = ADMIN_CALLS.filter((call) => !cell.client.lacks.includes(call))
  const missing = wanted.filter((call) => !made.includes(call))
  const stray = made.filter((name) => !wanted.some((call) => call === name))
  if (missing.length > 0 || stray.length > 0) {
    throw new Error(`not tried: ${missing.join()}; not in the list: ${stray.join()}`)
  }
  return `${wanted.length} of ${ADMIN_CALLS.length} calls`
}

function noteOf({ lacks }: Client): string | undefined {
  return lacks.length === 0 ? undefined : `its admin part does not offer: ${lacks.join(', ')}`
}

export const adminScenario: Scenario = {
  name: 'admin',
  title: 'Admin calls: topics, configs, partitions, offsets, groups',
  brokers: 2,
  noteOf,
  run: runAdmin,
}
