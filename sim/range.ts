import { type ChildProcess, fork } from 'node:child_process'
import { type SeedResult, type Task, WORKER_ARGUMENT } from './worker.ts'

/** Seeds given to a worker at a time. */
const CHUNK = 20
/** How many failures are shown in full. */
const SHOWN_MAX = 5
const PROGRESS_EVERY = 200

/** Runs many seeds on `jobs` processes. False when any failed. */
export async function runRange(range: Task & { readonly jobs: number }): Promise<boolean> {
  const { first, last, bug, jobs } = range
  let next = first
  const results: SeedResult[] = []
  const failed: number[] = []
  const take = (): Task | null => {
    if (next > last) return null
    const task = { first: next, last: Math.min(last, next + CHUNK - 1), bug }
    next = task.last + 1
    return task
  }
  const note = (result: SeedResult): void => {
    results.push(result)
    if (result.failure !== null) {
      failed.push(result.seed)
      if (failed.length <= SHOWN_MAX) console.log(result.failure)
    }
    if (results.length % PROGRESS_EVERY === 0) console.log(`${results.length} seeds run`)
  }
  const workers = Array.from({ length: jobs }, () => runWorker(take, note))
  const areWhole = await Promise.all(workers)
  const sum = (of: (result: SeedResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0)
  const mean = (total: number): string => (total / Math.max(1, results.length)).toFixed(2)
  console.log(
    `per seed: ${mean(sum(({ acked }) => acked))} records acknowledged, ` +
      `${mean(sum(({ crashes }) => crashes))} crashes, ${mean(sum(({ moves }) => moves))} moves, ` +
      `${mean(sum(({ cpuMs }) => cpuMs / 1000))} s of CPU`,
  )
  if (failed.length > 0) {
    console.log(`failed: ${failed.sort((a, b) => a - b).join(' ')}`)
  }
  const missing = last - first + 1 - results.length
  if (missing > 0) console.log(`${missing} seeds were not run: a worker process ended`)
  console.log(`${results.length - failed.length} passed, ${failed.length + missing} failed`)
  return failed.length === 0 && missing === 0 && areWhole.every((isWhole) => isWhole)
}

/** Keeps one worker busy. Resolves with whether it ended well. */
function runWorker(take: () => Task | null, note: (result: SeedResult) => void): Promise<boolean> {
  const worker: ChildProcess = fork(process.argv[1] as string, [WORKER_ARGUMENT])
  return new Promise((resolve) => {
    worker.on('message', (message: 'ready' | SeedResult) => {
      if (message !== 'ready') {
        note(message)
        return
      }
      const task = take()
      if (task === null) worker.disconnect()
      else worker.send(task)
    })
    worker.on('exit', (code) => resolve(code === 0))
  })
}
