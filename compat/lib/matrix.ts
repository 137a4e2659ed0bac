import { Cluster } from '../../e2e/lib/cluster.ts'
import type { Scenario } from '../scenarios/scenario.ts'
import { Cell } from './cell.ts'
import type { Client } from './clients.ts'

export type Outcome =
  | { readonly result: 'passed'; readonly remark?: string }
  | { readonly result: 'cannot'; readonly why: string }
  | { readonly result: 'failed'; readonly why: string }

export interface CellResult {
  readonly scenario: string
  readonly client: string
  readonly outcome: Outcome
}

/** Groups wait for more members before their first round; nobody wants to wait that long here. */
const BASE_CONFIG = { 'group.initial.rebalance.delay.ms': '300' }

interface MatrixOptions {
  readonly scenarios: readonly Scenario[]
  readonly clients: readonly Client[]
  /** How many clients run side by side. */
  readonly parallel: number
  readonly say: (words: string) => void
}

async function runCell(scenario: Scenario, client: Client, cluster: Cluster): Promise<Outcome> {
  const why = client.cannot[scenario.name]
  if (why !== undefined) return { result: 'cannot', why }
  const name = client.name.replaceAll(/[^a-z]+/gi, '-').replace(/^-/, '')
  const cell = new Cell({ cluster, client, topic: `${scenario.name}-${name}` })
  try {
    const remark = await scenario.run(cell)
    return remark === undefined ? { result: 'passed' } : { result: 'passed', remark }
  } catch (error) {
    return { result: 'failed', why: (error as Error).message }
  } finally {
    await cell.close()
  }
}

async function runScenario(scenario: Scenario, options: MatrixOptions): Promise<CellResult[]> {
  const { clients, parallel, say } = options
  const config = JSON.stringify({ ...BASE_CONFIG, ...scenario.config })
  const env = { STREAMCLUSTER_CONFIG: config }
  const cluster = await Cluster.start(scenario.brokers, { env }).catch((error: Error) => {
    say(`${scenario.name}: ${error.message}`)
    return null
  })
  if (cluster === null) {
    const outcome = { result: 'failed', why: 'the cluster did not start' } as const
    return clients.map((client) => ({ scenario: scenario.name, client: client.name, outcome }))
  }
  const results: CellResult[] = []
  try {
    const waiting = [...clients]
    const work = async (): Promise<void> => {
      for (let client = waiting.shift(); client !== undefined; client = waiting.shift()) {
        const startMs = performance.now()
        const outcome = await runCell(scenario, client, cluster)
        const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
        const why = 'why' in outcome ? `: ${outcome.why}` : ''
        say(`${scenario.name} · ${client.name}: ${outcome.result} (${seconds} s)${why}`)
        results.push({ scenario: scenario.name, client: client.name, outcome })
      }
    }
    await Promise.all(Array.from({ length: parallel }, work))
  } finally {
    await cluster.close()
  }
  return results
}

/** Runs every scenario with every client. */
export async function runMatrix(options: MatrixOptions): Promise<CellResult[]> {
  const results: CellResult[] = []
  for (const scenario of options.scenarios) {
    results.push(...(await runScenario(scenario, options)))
  }
  return results
}
