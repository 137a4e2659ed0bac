import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Client } from './lib/client.ts'
import { clients as allClients } from './lib/clients.ts'
import { runMatrix } from './lib/matrix.ts'
import { differences, type Findings, renderReport, saysTheSame } from './lib/report.ts'
import type { Outcome } from './lib/outcome.ts'
import { Session } from './lib/session.ts'
import { scenarios as allScenarios } from './scenarios/index.ts'
import { runTools, TOOL_COUNT } from './tools/index.ts'

const REPORT = fileURLToPath(new URL('../docs/compatibility.md', import.meta.url))

const USAGE = `node compat/main.ts [--client <name>]… [--scenario <name>]… [--parallel <count>]

Runs real clients against real brokers and writes what it found to docs/compatibility.md. With only
some clients or scenarios it writes nothing. Ends with 1 when anything failed, and where CI is set in
the environment also when the file said something else before.

clients:   ${allClients.map(({ name }) => name).join(', ')}
scenarios: ${allScenarios.map(({ name }) => name).join(', ')}, tools
--parallel how many clients run side by side (2)
E2E_KEEP   in the environment keeps the folders of the clusters, with all logs
`

interface Options {
  readonly clients: readonly Client[]
  readonly scenarioNames: readonly string[]
  readonly parallel: number
}

/** Reads the command line. Returns a sentence when it is wrong. */
function optionsOf(args: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      client: { type: 'string', multiple: true, default: [] },
      scenario: { type: 'string', multiple: true, default: [] },
      parallel: { type: 'string', default: '2' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return USAGE
  const scenarioNames = [...allScenarios.map(({ name }) => name), 'tools']
  const unknown =
    values.client.find((name) => !allClients.some((client) => client.name === name)) ??
    values.scenario.find((name) => !scenarioNames.includes(name))
  if (unknown !== undefined) return `'${unknown}' is not known\n\n${USAGE}`
  const all = (wanted: readonly string[], name: string): boolean =>
    wanted.length === 0 || wanted.includes(name)
  return {
    clients: allClients.filter(({ name }) => all(values.client, name)),
    scenarioNames: scenarioNames.filter((name) => all(values.scenario, name)),
    parallel: Math.max(1, Number(values.parallel) || 1),
  }
}

interface Trial {
  readonly name: string
  readonly outcome: Outcome
}

async function versionsOf(clients: readonly Client[]): Promise<Map<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'streamcluster-compat-'))
  const versions = new Map<string, string>()
  try {
    for (const client of clients) {
      const settings = { role: 'version', bootstrap: '' } as const
      const session = new Session(await client.command(), settings, folder)
      await session.end()
      versions.set(client.name, session.version)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return versions
}

/** For the continuous integration, which counts what Jest counts, and repeats why tests failed. */
function writeCounts(trials: readonly Trial[], isStale: boolean): number {
  const outcomes = trials.map(({ outcome }) => outcome)
  const count = (result: string): number => outcomes.filter((each) => each.result === result).length
  const numPassedTests = count('passed') + count('adjusted')
  const numFailedTests = count('failed') + (isStale ? 1 : 0)
  const file = process.env.JEST_JSON
  if (file !== undefined) {
    const counts = { numPassedTests, numFailedTests, numRuntimeErrorTestSuites: 0 }
    const assertionResults = trials.flatMap(({ name, outcome }) => {
      if (outcome.result !== 'failed') return []
      const failureMessages = outcome.why.split('; ')
      return [{ status: 'failed', fullName: name, failureMessages }]
    })
    const testResults = [{ name: 'compat', message: '', assertionResults }]
    writeFileSync(file, JSON.stringify({ ...counts, testResults }))
  }
  const seconds = outcomes.filter((each) => 'atSecondTry' in each && each.atSecondTry).length
  const others = `${seconds} at the second try, ${count('cannot')} cannot, ${count('fails')} fail as is known`
  console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${others}`)
  return numFailedTests
}

/** Returns whether the committed report is stale. */
function writeReport(findings: Findings): boolean {
  const text = renderReport(findings)
  const before = existsSync(REPORT) ? readFileSync(REPORT, 'utf8') : ''
  if (before === text) {
    console.log('docs/compatibility.md says the same')
    return false
  }
  writeFileSync(REPORT, text)
  const lines = differences(before, text).join('\n')
  console.log(`docs/compatibility.md said something else, and was written:\n${lines}`)
  return !saysTheSame(before, text)
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2))
  if (typeof options === 'string') {
    console.error(options)
    return 2
  }
  const startMs = performance.now()
  const say = (words: string): void => {
    const seconds = Math.round((performance.now() - startMs) / 1000)
    console.log(`${String(seconds).padStart(5)} s  ${words}`)
  }
  const { clients, scenarioNames, parallel } = options
  const scenarios = allScenarios.filter(({ name }) => scenarioNames.includes(name))
  const versions = await versionsOf(clients)
  for (const [name, version] of versions) say(`${name} ${version}`)
  const cells = await runMatrix({ scenarios, clients, parallel, say })
  const tools = scenarioNames.includes('tools') ? await runTools(say) : []
  const isWhole =
    clients.length === allClients.length &&
    scenarios.length === allScenarios.length &&
    tools.length === TOOL_COUNT
  const isStale = isWhole && writeReport({ scenarios, clients, versions, cells, tools })
  const trials = [
    ...cells.map(({ scenario, client, outcome }) => ({ name: `${scenario} · ${client}`, outcome })),
    ...tools.map(({ tool, title, outcome }) => ({ name: `${tool}: ${title}`, outcome })),
  ]
  // Elsewhere whoever runs it sees what was written, and commits it.
  return writeCounts(trials, isStale && process.env.CI === 'true') > 0 ? 1 : 0
}

// Each child adds a listener until it ends, and a dozen run at once.
process.setMaxListeners(100)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Children die with this process (e2e/lib/child.ts), which must end by itself for that.
  process.once(signal, () => process.exit(130))
}
process.exitCode = await main()
