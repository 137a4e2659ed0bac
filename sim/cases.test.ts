import { describe, expect, test } from '@jest/globals'
import * as broken from './bugs/broken-rules.ts'
import { type PlantedBug, plantedBugs } from './bugs/bugs.ts'
import { cases } from './cases/cases.ts'
import { closedInCheckpoint } from './cases/closed-in-checkpoint.ts'
import { fenceStays } from './cases/fence-stays.ts'
import { fromWithEpochs } from './cases/from-with-epochs.ts'
import { fenceOnTrimmedKey, scanOfLivingNode } from './cases/living-node-read.ts'
import { boundaryOnlyRises, trimmedIsNotHead } from './cases/metadata-boundary.ts'
import { noTrimWhenSealed } from './cases/no-trim-when-sealed.ts'
import { referencesInImage } from './cases/references-in-image.ts'
import { type Case, playCase } from './cases/stage.ts'

test.each(cases.map((script) => [script.name, script] as const))('%s', async (_name, script) => {
  expect(await playCase(script)).toEqual(script.expected)
})

function planted(name: string): PlantedBug {
  const bug = plantedBugs.find((each) => each.name === name)
  if (bug === undefined) throw new Error(`there is no bug ${name}`)
  return bug
}

/** What a history comes to: its outcome, or the words of what ended it. */
async function outcomeOf(script: Case, bug: PlantedBug): Promise<unknown> {
  return playCase(script, bug).catch((error: Error) => error.message)
}

const trimmedKey = fenceOnTrimmedKey.expected as object

/** Every history, with its rule broken and what becomes of it then. */
const BROKEN: readonly (readonly [Case, PlantedBug, unknown])[] = [
  [fromWithEpochs, planted('from-without-epochs'), [0]],
  [referencesInImage, broken.referencesForgotten, expect.stringContaining('does not exist')],
  [noTrimWhenSealed, broken.trimWithoutHead, { isThere: false, read: [0, 1, 2] }],
  [scanOfLivingNode, planted('stale-checkpoint'), []],
  [fenceOnTrimmedKey, broken.fenceWithoutReadingAgain, { ...trimmedKey, isAbove: false }],
  [fenceOnTrimmedKey, planted('stale-checkpoint'), { ...trimmedKey, read: [] }],
  // A, which was forgotten, has acknowledged an offset that B gave to another record.
  [fenceStays, broken.fenceDeleted, { isGone: true, offset: 0, hasEnded: false, read: [0] }],
  [closedInCheckpoint, planted('closed-forgotten'), []],
  // Nodes have different logs from there on.
  [boundaryOnlyRises, broken.boundaryOverwritten, 'it never happened that all have read on'],
  [trimmedIsNotHead, broken.boundaryNotRead, 'it never happened that A has read on'],
]

describe('a history comes out wrong where its rule is broken', () => {
  test('but not by what stands beside the rule', async () => {
    expect(await playCase(noTrimWhenSealed, broken.trimOther)).toEqual(noTrimWhenSealed.expected)
  })

  test('each one is tried', () => {
    expect(new Set(BROKEN.map(([script]) => script))).toEqual(new Set(cases))
  })

  test.each(
    BROKEN.map(
      ([script, bug, outcome]) => [script.name, bug.name, { script, bug, outcome }] as const,
    ),
  )('%s: %s', async (_name, _bug, { script, bug, outcome }) => {
    expect(await outcomeOf(script, bug)).toEqual(outcome)
  })
})
