import { plantedBugs } from './bugs/bugs.ts'
import { failureOf } from './report.ts'
import { runSeed } from './run.ts'

/** What a worker process is asked: these seeds, with this bug. */
export interface Task {
  readonly first: number
  readonly last: number
  readonly bug: string | null
}

/** What a worker says of one seed. */
export interface SeedResult {
  readonly seed: number
  /** What to print of a failure; null when the seed passed. */
  readonly failure: string | null
  readonly acked: number
  readonly crashes: number
  readonly moves: number
  readonly cpuMs: number
}

const LINES_AFTER_FAILURE = 20
export const WORKER_ARGUMENT = '--worker'

export function isWorker(): boolean {
  return process.argv[2] === WORKER_ARGUMENT
}

/** Runs what the parent sends until it hangs up. */
export function work(): Promise<boolean> {
  process.on('message', (task: Task) => {
    void runTask(task).then(() => process.send?.('ready'))
  })
  process.send?.('ready')
  return new Promise((resolve) => {
    process.on('disconnect', () => resolve(true))
  })
}

async function runTask({ first, last, bug }: Task): Promise<void> {
  const plant = plantedBugs.find(({ name }) => name === bug)
  for (let seed = first; seed <= last; seed++) {
    const before = process.cpuUsage()
    const result = await runSeed(plant === undefined ? { seed } : { seed, plant })
    const used = process.cpuUsage(before)
    const { acked, crashes, moves, violation } = result
    const report: SeedResult = {
      seed,
      failure: violation === null ? null : failureOf(result, bug, LINES_AFTER_FAILURE),
      acked,
      crashes,
      moves,
      cpuMs: (used.user + used.system) / 1000,
    }
    process.send?.(report)
  }
}
