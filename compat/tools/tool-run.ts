import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Finished, finished, spawnGuarded } from '../../e2e/lib/child.ts'
import type { Cluster } from '../../e2e/lib/cluster.ts'
import { until } from '../../e2e/lib/wait.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/kafka-tools.sh', import.meta.url))

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
  async run(mainClass: string, args: readonly string[], input = ''): Promise<string> {
    const child = spawnGuarded(SCRIPT, [mainClass, ...args])
    child.stdin?.end(input)
    const { code, stdout, stderr }: Finished = await finished(child)
    const words = `${stdout}\n${stderr}`
    if (code !== 0) throw new Error(`ended with ${code}: ${words.trim().slice(-400)}`)
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

  /** Starts a tool that runs until it is told to end; `done` is asked about each line it says. */
  async runUntil(
    mainClass: string,
    args: readonly string[],
    done: (words: string) => boolean,
  ): Promise<string> {
    const child = spawnGuarded(SCRIPT, [mainClass, ...args])
    let words = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      words += chunk.toString()
    })
    const end = finished(child)
    try {
      await until(`${mainClass} has done its part`, () => done(words) || child.exitCode !== null)
    } finally {
      child.kill('SIGTERM')
    }
    const { code, stderr } = await end
    // 143: ended by the SIGTERM it was sent, after its hooks ran.
    if (!done(words) || (code !== 0 && code !== 143)) {
      throw new Error(`ended with ${code}: ${words.slice(-300)} ${stderr.slice(-300)}`)
    }
    return words
  }
}
