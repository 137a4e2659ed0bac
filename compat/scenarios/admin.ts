import type { Cell } from '../lib/cell.ts'
import type { Scenario } from './scenario.ts'

/** What the client's admin part offers of topics, configs, offsets and groups, step by step. */
async function runAdmin(cell: Cell): Promise<string> {
  const session = await cell.start({ role: 'admin', groupId: `${cell.topic}-group` })
  await session.end()
  const failed = session.steps.filter(({ outcome }) => outcome === 'failed')
  if (failed.length > 0) {
    throw new Error(failed.map(({ name, message }) => `${name}: ${message}`).join('; '))
  }
  if (session.steps.length === 0) throw new Error('it took no step')
  return `${session.steps.length} calls`
}

export const adminScenario: Scenario = {
  name: 'admin',
  title: 'Admin calls: topics, configs, partitions, offsets, groups',
  brokers: 2,
  run: runAdmin,
}
