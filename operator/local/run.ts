import { systemClock } from '../../base/clock.ts'
import { LocalCluster } from './local-cluster.ts'
import { type LocalOptions, readOptions } from './options.ts'
import { liveReporter, plainReporter, type Reporter } from './reporter.ts'

/** What differs between a run by hand, the demo and a test. */
export interface RunOptions {
  readonly args: readonly string[]
  readonly brokerProgram: readonly string[]
  readonly fileDefault?: string
  /** More to show in the view. */
  readonly notes?: () => readonly string[]
  /**
   * What to do once the first brokers serve; when it resolves, the run ends with its exit code.
   * Without it, the run goes on until a signal. `signal` aborts when the run is to end.
   */
  readonly whileServing?: (run: ServingRun) => Promise<number>
}

export interface ServingRun {
  readonly cluster: LocalCluster
  readonly reporter: Reporter
  readonly signal: AbortSignal
}

const HOST = '127.0.0.1'
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const
/** One Ctrl-C may arrive twice, through a parent that forwards it; a person takes longer. */
const SECOND_SIGNAL_MS_MIN = 500

/** A whole run, from arguments to exit code. Ends no process: the caller exits with the result. */
export async function run(options: RunOptions): Promise<number> {
  const read = readOptions({
    args: options.args,
    environment: process.env,
    workingFolder: process.cwd(),
    ...(options.fileDefault !== undefined && { fileDefault: options.fileDefault }),
  })
  if (read.kind === 'help') {
    process.stdout.write(`${read.text}\n`)
    return 0
  }
  if (read.kind === 'refused') return refuse(read.lines)
  const reporter = reporterFor(process.stdout, process.stderr)
  try {
    return await runCluster(options, read.options, reporter)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // Faults of the system, such as a full disk, have a code; all others are ours, with a stack.
    if (code === undefined) throw error
    reporter.close()
    return refuse([message])
  } finally {
    reporter.close()
  }
}

async function runCluster(
  options: RunOptions,
  local: LocalOptions,
  reporter: Reporter,
): Promise<number> {
  const cluster = new LocalCluster({
    cluster: local.cluster,
    storage: local.storage,
    bootstrap: { host: HOST, port: local.port },
    brokerProgram: options.brokerProgram,
    logLevel: process.env.STREAMCLUSTER_LOG_LEVEL ?? 'info',
    clock: systemClock,
    reporter,
    timeOfDay,
    ...(options.notes !== undefined && { notes: options.notes }),
  })
  const ending = endBySignal(cluster, reporter)
  try {
    const started = await cluster.start()
    if (!started.ok && !ending.signal.aborted) {
      reporter.close()
      return refuse([started.message])
    }
    // What never served has not shown what it was to show.
    let code = options.whileServing === undefined ? 0 : 1
    if (started.ok && options.whileServing !== undefined) {
      code = await options.whileServing({ cluster, reporter, signal: ending.signal })
      if (!ending.signal.aborted) await cluster.stop()
    }
    // A clean end by a signal does not make good what was to be shown, and was not.
    if (ending.signal.aborted || options.whileServing === undefined) {
      code = (await ending.code) || code
    }
    return code
  } finally {
    ending.forget()
  }
}

/** The first signal drains, the second ends at once. */
function endBySignal(cluster: LocalCluster, reporter: Reporter) {
  const abort = new AbortController()
  let firstAtMs: number | null = null
  let forcedCode: number | null = null
  let resolveCode: (code: number) => void
  const code = new Promise<number>((resolve) => {
    resolveCode = resolve
  })
  const onSignal = (name: NodeJS.Signals): void => {
    const nowMs = systemClock.nowMs()
    if (firstAtMs === null) {
      firstAtMs = nowMs
      reporter.change('ending: brokers hand over and drain (once more ends them at once)')
      abort.abort()
      void cluster.stop().then(() => resolveCode(forcedCode ?? 0))
    } else if (nowMs - firstAtMs >= SECOND_SIGNAL_MS_MIN) {
      forcedCode = 128 + SIGNALS[name as keyof typeof SIGNALS]
      cluster.kill()
    }
  }
  const names = Object.keys(SIGNALS) as NodeJS.Signals[]
  for (const name of names) process.on(name, onSignal)
  return {
    signal: abort.signal,
    /** The exit code, once all has ended because of a signal. */
    code,
    forget: () => {
      for (const name of names) process.off(name, onSignal)
    },
  }
}

function reporterFor(output: NodeJS.WriteStream, notes: NodeJS.WriteStream): Reporter {
  // Whoever read our output is gone; that is no reason to leave brokers without a supervisor.
  output.on('error', () => {})
  notes.on('error', () => {})
  if (!output.isTTY || process.env.TERM === 'dumb') {
    return plainReporter({ output, notes, timeOfDay })
  }
  const color = (process.env.NO_COLOR ?? '') === ''
  return liveReporter({ output, timeOfDay, color })
}

function timeOfDay(): string {
  return new Date(systemClock.wallMs()).toTimeString().slice(0, 8)
}

function refuse(lines: readonly string[]): number {
  for (const line of lines) process.stderr.write(`${line}\n`)
  return 1
}
