import type { Arguments } from './arguments.ts'
import type { PlantedBug } from './bugs/bugs.ts'
import { type RunOptions, type RunResult, runSeed } from './run.ts'

const LINES_AFTER_FAILURE = 60

/** One line about a run that ended. */
function summaryOf(result: RunResult): string {
  const { seed, digest, lineCount, virtualMs, acked, crashes, moves, takeovers } = result
  return (
    `seed ${seed}: ${acked} records acknowledged, ${crashes} crashes, ${moves} moves, ` +
    `${takeovers} takeovers in ${(virtualMs / 1000).toFixed(1)} s; ` +
    `trace of ${lineCount} lines, ${digest}`
  )
}

/** What a failed run found, and how to see it again. */
export function failureOf(result: RunResult, bug: string | null, lineCount: number): string {
  const { violation, seed, lines } = result
  const last = lineCount === 0 ? [] : lines.slice(-lineCount)
  const planted = bug === null ? '' : ` ARGS='--bug ${bug}'`
  return [
    ...last,
    `FAILED seed ${seed}: ${violation?.property}`,
    `  ${violation?.details}`,
    `  again: make sim SEED=${seed}${planted}`,
  ].join('\n')
}

function optionsOf(seed: number, bug: PlantedBug | undefined, keepsAll: boolean): RunOptions {
  return bug === undefined ? { seed, keepsAll } : { seed, keepsAll, plant: bug }
}

/** Runs one seed and tells all about it. False when it failed. */
export async function runOne(given: Arguments, bug: PlantedBug | undefined): Promise<boolean> {
  const result = await runSeed(optionsOf(given.first, bug, given.lines !== null))
  if (result.violation !== null) {
    console.log(failureOf(result, given.bug, given.lines ?? LINES_AFTER_FAILURE))
  } else if (given.lines !== null) console.log(result.lines.slice(-given.lines).join('\n'))
  console.log(summaryOf(result))
  return result.violation === null
}

/** Runs each seed twice and compares the traces line by line. False when any two differ. */
export async function compareTwice(
  given: Arguments,
  bug: PlantedBug | undefined,
): Promise<boolean> {
  let differing = 0
  for (let seed = given.first; seed <= given.last; seed++) {
    const once = await runSeed(optionsOf(seed, bug, true))
    const twice = await runSeed(optionsOf(seed, bug, true))
    const at = once.lines.findIndex((line, index) => line !== twice.lines[index])
    if (at < 0 && once.digest === twice.digest) {
      console.log(`same, twice: ${summaryOf(once)}`)
      continue
    }
    differing++
    console.log(`DIFFERENT seed ${seed} at line ${at}:`)
    console.log(`  ${once.lines[at]}`)
    console.log(`  ${twice.lines[at]}`)
  }
  return differing === 0
}
