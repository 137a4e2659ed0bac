import type { Scenario } from '../scenarios/scenario.ts'
import { Cell } from './cell.ts'
import type { Client } from './clients.ts'
import { type ScenarioCluster, startCluster } from './scenario-cluster.ts'

export type Outcome =
  | { readonly result: 'passed'; readonly remark?: string }
  /** Passed with the client used in another way than its own. */
  | { readonly result: 'adjusted'; readonly why: string }
  /** The client does not offer it. */
  | { readonly result: 'cannot'; readonly why: string }
  /** Fails for a reason that is known. */
  | { readonly result: 'fails'; readonly why: string }
  | { readonly result: 'failed'; readonly why: string }

export interface CellResult {
  readonly scenario: string
  readonly client: string
  readonly outcome: Outcome
}

/** What the table says of a cell that failed, and passed when it was tried again. */
export const SECOND_TRY = 'passed at the second try'

interface MatrixOptions {
  readonly scenarios: readonly Scenario[]
  readonly clients: readonly Client[]
  /** How many clients run side by side. */
  readonly parallel: number
  readonly say: (words: string) => void
}

async function runCell(
  scenario: Scenario,
  client: Client,
  options: {
    readonly place: ScenarioCluster
    readonly say: (words: string) => void
    /** Set apart from the topic of an earlier try. */
    readonly topicSuffix: string
  },
): Promise<Outcome> {
  const { place, say, topicSuffix } = options
  const why = client.cannot[scenario.name]
  if (why !== undefined) return { result: 'cannot', why }
  const name = client.name.replaceAll(/[^a-z]+/gi, '-').replace(/^-/, '')
  const topic = `${scenario.name}-${name}${topicSuffix}`
  const { cluster, common } = place
  const cell = new Cell({ cluster, client, topic, scenario: scenario.name, common })
  try {
    const remark = await scenario.run(cell)
    const adjusted = client.adjusted[scenario.name]
    if (adjusted !== undefined) return { result: 'adjusted', why: adjusted.why }
    return remark === undefined ? { result: 'passed' } : { result: 'passed', remark }
  } catch (error) {
    const known = client.known[scenario.name]
    if (known === undefined) return { result: 'failed', why: (error as Error).message }
    say(`${scenario.name} · ${client.name}: ${(error as Error).message}`)
    return { result: 'fails', why: known }
  } finally {
    await cell.close()
  }
}

/**
 * Runs a cell, and once more if it failed for a reason that is not known: on a busy machine a
 * client's own time limits may run out. That it took two tries is part of the result.
 */
async function tryCell(
  scenario: Scenario,
  client: Client,
  options: { readonly place: ScenarioCluster; readonly say: (words: string) => void },
): Promise<Outcome> {
  const first = await runCell(scenario, client, { ...options, topicSuffix: '' })
  if (first.result !== 'failed') return first
  options.say(`${scenario.name} · ${client.name}: failed, and is tried again: ${first.why}`)
  const second = await runCell(scenario, client, { ...options, topicSuffix: '-again' })
  return second.result === 'passed' ? { result: 'passed', remark: SECOND_TRY } : second
}

async function runScenario(scenario: Scenario, options: MatrixOptions): Promise<CellResult[]> {
  const { clients, parallel, say } = options
  const place = await startCluster(scenario).catch((error: Error) => {
    say(`${scenario.name}: ${error.message}`)
    return null
  })
  if (place === null) {
    const outcome = { result: 'failed', why: 'the cluster did not start' } as const
    return clients.map((client) => ({ scenario: scenario.name, client: client.name, outcome }))
  }
  const results: CellResult[] = []
  try {
    const waiting = [...clients]
    const work = async (): Promise<void> => {
      for (let client = waiting.shift(); client !== undefined; client = waiting.shift()) {
        const startMs = performance.now()
        const outcome = await tryCell(scenario, client, { place, say })
        const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
        const why = outcome.result === 'failed' ? `: ${outcome.why}` : ''
        say(`${scenario.name} · ${client.name}: ${outcome.result} (${seconds} s)${why}`)
        results.push({ scenario: scenario.name, client: client.name, outcome })
      }
    }
    await Promise.all(Array.from({ length: scenario.isAlone ? 1 : parallel }, work))
  } finally {
    await place.close()
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
