import { isDeepStrictEqual } from 'node:util'
import { closedInCheckpoint } from './closed-in-checkpoint.ts'
import { fenceStays } from './fence-stays.ts'
import { fromWithEpochs } from './from-with-epochs.ts'
import { fenceOnTrimmedKey, scanOfLivingNode } from './living-node-read.ts'
import { boundaryOnlyRises, trimmedIsNotHead } from './metadata-boundary.ts'
import { noTrimWhenSealed } from './no-trim-when-sealed.ts'
import { referencesInImage } from './references-in-image.ts'
import { type Case, playCase } from './stage.ts'

/**
 * What went wrong, in a model, without the rules of the ownership protocol; here with the rules.
 * Trace 8 needs segment rolls, traces 9 and 10 need reservation mode: neither exists yet.
 */
export const cases: readonly Case[] = [
  fromWithEpochs,
  referencesInImage,
  noTrimWhenSealed,
  scanOfLivingNode,
  fenceOnTrimmedKey,
  fenceStays,
  closedInCheckpoint,
  boundaryOnlyRises,
  trimmedIsNotHead,
]

/** Plays all histories and tells what came of them. False when any came out otherwise. */
export async function playCases(): Promise<boolean> {
  let failed = 0
  for (const script of cases) {
    const outcome = await playCase(script).catch((error: unknown) => String(error))
    const isFine = isDeepStrictEqual(outcome, script.expected)
    if (!isFine) failed++
    console.log(`${isFine ? 'ok' : 'FAILED'} ${script.name} (${script.rule})`)
    if (!isFine)
      console.log(`  expected ${JSON.stringify(script.expected)}\n  not ${JSON.stringify(outcome)}`)
  }
  console.log(`${cases.length - failed} passed, ${failed} failed`)
  return failed === 0
}
