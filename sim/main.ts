import { availableParallelism } from 'node:os'
import { readArguments, USAGE } from './arguments.ts'
import { findBugs } from './bugs/find.ts'
import { plantedBugs } from './bugs/bugs.ts'
import { playCases } from './cases/cases.ts'
import { runRange } from './range.ts'
import { compareTwice, runOne } from './report.ts'
import { tellUncaught } from './run.ts'
import { isWorker, work } from './worker.ts'

// What nobody caught is a bug of the simulated code, if a run is under way.
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => {
    if (!tellUncaught(error)) throw error
  })
}

const JOBS_DEFAULT_MAX = 2

async function main(): Promise<boolean> {
  if (isWorker()) return work()
  const given = readArguments(process.argv.slice(2))
  if (given === null) {
    process.stderr.write(USAGE)
    return false
  }
  const bug = plantedBugs.find(({ name }) => name === given.bug)
  if (given.bug !== null && bug === undefined) {
    const names = plantedBugs.map(({ name }) => name).join(', ')
    process.stderr.write(`there is no planted bug '${given.bug}'; there are: ${names}\n`)
    return false
  }
  if (given.mode === 'cases') return playCases()
  if (given.mode === 'bugs') return findBugs(given.first, given.last)
  if (given.mode === 'twice') return compareTwice(given, bug)
  if (given.first === given.last) return runOne(given, bug)
  const jobs = given.jobs ?? Math.min(JOBS_DEFAULT_MAX, availableParallelism())
  return runRange({ ...given, jobs })
}

process.exitCode = (await main()) ? 0 : 1
