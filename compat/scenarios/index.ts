import { adminScenario } from './admin.ts'
import { disturbanceScenarios } from './disturbances.ts'
import { groupScenarios } from './groups.ts'
import { recordScenarios } from './records.ts'
import type { Scenario } from './scenario.ts'

/** Every scenario, in the order of the table's rows. */
export const scenarios: readonly Scenario[] = [
  ...recordScenarios,
  ...groupScenarios,
  adminScenario,
  ...disturbanceScenarios,
]
