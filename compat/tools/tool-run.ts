import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Finished, finished, spawnGuarded } from '../../e2e/lib/child.ts'
import type { Cluster } from '../../e2e/lib/cluster.ts'
import { until } from '../../e2e/lib/wait.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/kafka-tools.sh', import.meta.url))

/** Far more than any takes: one that hangs must not hold up all others. */
const RUN_MS_MAX = 240_000

/** What goes on beside tools until they are over: it looks at `isOver` every now and then. */
export type Disturbance = (isOver: () => boolean) => Promise<void>

/** Disturbs until all that `start` started has ended; waits for both, also when one fails. */
export async function disturbUntilEnd(
  start: () => Promise<unknown>,
  disturb: Disturbance,
): Promise<void> {
  let isOver = false
  const trials = start().finally(() => {
    isOver = true
  })
  try {
    await disturb(() => isOver)
  } finally {
    await trials
  }
}

/** The cluster that the tools are tried on, and how they are run there. */
export class ToolBench {
  readonly cluster: Cluster

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  get bootstrap(): string {
    return this.cluster.running.map(({ bootstrap }) => bootstrap).join(',')
  }

  get port(): number {
    return this.cluster.running[0]?.ports.kafka ?? 0
  }

  /** A file for a tool to read; returns its path. */
  file(name: string, content: string): string {
    const path = join(this.cluster.folder, name)
    writeFileSync(path, content)
    return path
  }

  /** Runs a tool to its end and returns what it said. Throws when it does not end with 0. */
  async run(
    mainClass: string,
    args: readonly string[],
    input: string | AsyncIterable<string> = '',
  ): Promise<string> {
    const child = spawnGuarded(SCRIPT, [mainClass, ...args])
    if (child.stdin !== null) Readable.from(input).pipe(child.stdin)
    const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX)
    const { code, stdout, stderr }: Finished = await finished(child)
    clearTimeout(timer)
    const words = `${stdout}\n${stderr}`
    // Both its first words and its last: Java says what is wrong before or after a long stack.
    const told = words.trim()
    const ends = told.length > 800 ? `${told.slice(0, 400)} … ${told.slice(-400)}` : told
    if (code !== 0) throw new Error(`ended with ${code}: ${ends}`)
    return words
  }

  /** Runs a tool until what it says matches: the other brokers hear of changes a little later. */
  async says(mainClass: string, args: readonly string[], wanted: RegExp): Promise<void> {
    let words = ''
    const all = ['--bootstrap-server', this.bootstrap, ...args]
    await until(
      `it says ${wanted}`,
      async () => {
        words = await this.run(mainClass, all)
        return wanted.test(words)
      },
      20_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${words.trim().slice(-400)}`)
    })
  }
}
