import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { breadthFigure } from './figures/breadth.ts'
import { fetchFigure } from './figures/fetch.ts'
import { idleFigure } from './figures/idle.ts'
import { latencyFigure } from './figures/latency.ts'
import { manyFigure } from './figures/many.ts'
import { moveFigure } from './figures/move.ts'
import { operatorFigure } from './figures/operator.ts'
import { produceFigure } from './figures/produce.ts'
import { putsFigure } from './figures/puts.ts'
import { takeoverFigure } from './figures/takeover.ts'
import { killChildren } from './lib/child.ts'
import {
  type BenchContext,
  type BenchSettings,
  type Figure,
  type FigureResult,
  FULL_SETTINGS,
  SHORT_SETTINGS,
} from './lib/figure.ts'
import { renderFigure } from './lib/report.ts'
import { Workspace } from './lib/workspace.ts'

const FIGURES: readonly Figure[] = [
  produceFigure,
  fetchFigure,
  latencyFigure,
  idleFigure,
  putsFigure,
  moveFigure,
  takeoverFigure,
  operatorFigure,
  breadthFigure,
  manyFigure,
]

const USAGE = `node bench/main.ts [figure…] [--short] [--json <file>] [--set <name>=<number>…]

Measures speed side by side with Apache Kafka and prints one table per figure; all of it also goes
to a JSON file (by default .cache/bench/<date>.json). Without names, all figures:

${FIGURES.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`).join('\n')}

--short takes a few minutes and shows that all of it works; its numbers mean little.
--set changes one setting: ${Object.keys(FULL_SETTINGS).slice(1).join(', ')}.
Needs Linux (/proc), a JDK 17 or later, Maven for the first time, and Go for the S3 server.
`

interface Options {
  readonly figures: readonly Figure[]
  readonly settings: BenchSettings
  readonly jsonFile: string
}

/** Reads the command line. Returns a sentence when it is wrong. */
function optionsOf(args: readonly string[]): Options | string {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      json: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return USAGE
  const unknown = positionals.find((name) => !FIGURES.some((figure) => figure.name === name))
  if (unknown !== undefined) return `there is no figure '${unknown}'\n\n${USAGE}`
  const settings: Record<string, unknown> = { ...(values.short ? SHORT_SETTINGS : FULL_SETTINGS) }
  for (const assignment of values.set) {
    const [name = '', text = ''] = assignment.split('=')
    if (typeof settings[name] !== 'number' || !(Number(text) > 0)) {
      return `--set ${assignment} is not understood\n\n${USAGE}`
    }
    settings[name] = Number(text)
  }
  const date = new Date()
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replaceAll(':', '-')
  return {
    figures: FIGURES.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    settings: settings as unknown as BenchSettings,
    jsonFile: resolve(values.json ?? `.cache/bench/${date}.json`),
  }
}

/** What the numbers were taken on, in words that say nothing of whose machine it is. */
function machine(): Record<string, unknown> {
  const model = cpus()[0]?.model.trim() ?? 'unknown'
  const memoryGibibytes = Math.round(totalmem() / 1024 ** 3)
  return { cpus: cpus().length, model, memoryGibibytes, node: process.version }
}

async function runAll(options: Options, workspace: Workspace): Promise<boolean> {
  const startMs = performance.now()
  const context: BenchContext = {
    settings: options.settings,
    workspace,
    say: (text) => {
      const seconds = Math.round((performance.now() - startMs) / 1000)
      process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`)
    },
  }
  const results: Record<string, FigureResult> = {}
  const takenAt = new Date().toISOString()
  for (const figure of options.figures) {
    context.say(`${figure.name}: ${figure.summary}`)
    const result = await figure.run(context)
    results[figure.name] = result
    process.stdout.write(`\n${renderFigure(figure.name, result)}\n`)
    // After each figure: whoever interrupts the run keeps what there is.
    const all = { takenAt, machine: machine(), settings: options.settings, figures: results }
    await mkdir(dirname(options.jsonFile), { recursive: true })
    await writeFile(options.jsonFile, `${JSON.stringify(all, null, 2)}\n`)
  }
  process.stdout.write(`written to ${options.jsonFile}\n`)
  return Object.values(results).every(({ verdicts }) => verdicts.every(({ reached }) => reached))
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2))
  if (typeof options === 'string') {
    process.stderr.write(options)
    return 2
  }
  const workspace = await Workspace.create()
  const clean = async (): Promise<void> => {
    await killChildren()
    await workspace.remove()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void clean().then(() => process.exit(130)))
  }
  try {
    const reached = await runAll(options, workspace)
    // Goals are for people to judge; on a short run, or a busy machine, they mean nothing.
    if (!reached) process.stdout.write('some goals were not reached\n')
    return 0
  } finally {
    await clean()
  }
}

process.exitCode = await main()
