import type { Scenario } from '../scenarios/scenario.ts'
import { Cell } from './cell.ts'
import type { Client } from './client.ts'
import type { Outcome } from './outcome.ts'
import { ScenarioCluster } from './scenario-cluster.ts'

export interface CellResult {
  readonly scenario: string
  readonly client: string
  readonly outcome: Outcome
}

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
  const isSecure = scenario.tls === 'all'
  const cell = new Cell({ place, client, topic, scenario: scenario.name, isSecure })
  try {
    const remark = await scenario.run(cell)
    const adjusted = client.adjusted[scenario.name]
    if (adjusted !== undefined) return { result: 'adjusted', why: adjusted.why }
    const note = scenario.noteOf?.(client)
    return {
      result: 'passed',
      ...(remark === undefined ? {} : { remark }),
      ...(note === undefined ? {} : { note }),
    }
  } catch (error) {
    // Whatever still writes would blur what is read now.
    await cell.close()
    const faults = await cell.faultsOfAcknowledged().catch((fault: Error) => [fault.message])
    const words = (error as Error).message
    if (faults.length > 0) {
      return { result: 'failed', why: [words, ...faults].join('; '), isFinal: true }
    }
    const known = client.known[scenario.name]
    if (known === undefined || !known.pattern.test(words)) return { result: 'failed', why: words }
    say(`${scenario.name} · ${client.name}: ${words}`)
    return { result: 'fails', why: known.why }
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
  if (first.result !== 'failed' || first.isFinal) return first
  options.say(`${scenario.name} · ${client.name}: failed, and is tried again: ${first.why}`)
  const second = await runCell(scenario, client, { ...options, topicSuffix: '-again' })
  if (second.result === 'failed') {
    return { ...second, why: `${second.why}; at the first try: ${first.why}` }
  }
  if (second.result !== 'passed' && second.result !== 'adjusted') return second
  return { ...second, atSecondTry: true }
}

/** Runs `what` with a cluster of its own; one that does not start is a failure of the cell. */
async function withCluster(
  scenario: Scenario,
  what: (place: ScenarioCluster) => Promise<Outcome>,
): Promise<Outcome> {
  const place = await ScenarioCluster.start(scenario).catch((error: Error) => error)
  if (place instanceof Error) {
    return { result: 'failed', why: `the cluster did not start: ${place.message}` }
  }
  try {
    return await what(place)
  } finally {
    await place.close()
  }
}

/** Takes one client after the other from `waiting`. */
async function runClients(
  scenario: Scenario,
  waiting: Client[],
  options: { readonly place: ScenarioCluster | null; readonly say: (words: string) => void },
): Promise<CellResult[]> {
  const { place, say } = options
  const results: CellResult[] = []
  for (let client = waiting.shift(); client !== undefined; client = waiting.shift()) {
    const each = client
    const startMs = performance.now()
    const run = (where: ScenarioCluster): Promise<Outcome> => {
      return tryCell(scenario, each, { place: where, say })
    }
    const outcome = await (place === null ? withCluster(scenario, run) : run(place))
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
    const why = outcome.result === 'failed' ? `: ${outcome.why}` : ''
    say(`${scenario.name} · ${client.name}: ${outcome.result} (${seconds} s)${why}`)
    results.push({ scenario: scenario.name, client: client.name, outcome })
  }
  return results
}

async function runScenario(scenario: Scenario, options: MatrixOptions): Promise<CellResult[]> {
  const { clients, parallel, say } = options
  const waiting = [...clients]
  const work = (place: ScenarioCluster | null): Promise<CellResult[]>[] => {
    return Array.from({ length: parallel }, () => runClients(scenario, waiting, { place, say }))
  }
  if (scenario.isAlone) return (await Promise.all(work(null))).flat()
  const place = await ScenarioCluster.start(scenario)
  try {
    return (await Promise.all(work(place))).flat()
  } finally {
    await place.close()
  }
}

/** Without a cluster no client has shown anything. */
function failed(scenario: Scenario, { clients, say }: MatrixOptions, error: Error): CellResult[] {
  say(`${scenario.name}: ${error.message}`)
  const outcome = { result: 'failed', why: 'the cluster did not start' } as const
  return clients.map((client) => ({ scenario: scenario.name, client: client.name, outcome }))
}

/** Runs every scenario with every client. */
export async function runMatrix(options: MatrixOptions): Promise<CellResult[]> {
  const results: CellResult[] = []
  for (const scenario of options.scenarios) {
    results.push(
      ...(await runScenario(scenario, options).catch((error: Error) =>
        failed(scenario, options, error),
      )),
    )
  }
  return results
}
