import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Endpoint } from '../brokers/broker-load.ts'
import { errorOfLogLine, errorOfPlainText, LineSplitter, LogTail } from './broker-log.ts'

/** What a broker says of itself once it serves. */
export interface BrokerAddresses {
  readonly nodeId: number
  readonly kafka: Endpoint
  readonly admin: Endpoint
}

export interface BrokerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last error it logged or died of, as one line. */
  readonly lastError: string | null
}

/** What the fleet needs of a broker process; a test may put another one in its place. */
export interface BrokerProcess {
  readonly pid: number | null
  readonly logFile: string
  /** Asks it to drain and end. */
  terminate(): void
  /** Ends it at once. */
  kill(): void
}

export interface BrokerProcessEvents {
  ready(addresses: BrokerAddresses): void
  error(message: string): void
  /** Exactly once, after everything else. */
  exit(exit: BrokerExit): void
}

export interface BrokerProcessOptions {
  readonly clock: Clock
  /** The broker's program and arguments, run by the Node that runs us. */
  readonly program: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly logFolder: string
  /** Names the log file until the node id is known. */
  readonly label: string
  readonly events: BrokerProcessEvents
}

/** Errors are shown this much later at most. */
const LOG_POLL_MS = 300
const PLAIN_LINES_MAX = 40
const ORPHAN_GUARD = fileURLToPath(new URL('./orphan-guard.ts', import.meta.url))

const address = z.string().transform((text, context): Endpoint => {
  const match = /^(.+):(\d{1,5})$/.exec(text)
  if (match?.[1] && match[2]) return { host: match[1], port: Number(match[2]) }
  context.addIssue('must be host:port')
  return z.NEVER
})
const readyLine = z.object({
  event: z.literal('ready'),
  nodeId: z.int(),
  kafka: address,
  admin: address,
})

/**
 * Starts one broker process. It is a node of its own: a process that ended is never restarted, a
 * new one takes its place. It leads a process group of its own, so that a Ctrl-C in the terminal
 * reaches only the supervisor, which then ends brokers in a good order.
 */
export function startBrokerProcess(options: BrokerProcessOptions): BrokerProcess {
  const { clock, events } = options
  mkdirSync(options.logFolder, { recursive: true })
  let logFile = join(options.logFolder, `${options.label}.log`)
  const descriptor = openSync(logFile, 'a')
  const tail = new LogTail(logFile)
  const child = spawn(process.execPath, ['--import', ORPHAN_GUARD, ...options.program], {
    env: { ...process.env, ...options.environment },
    stdio: ['pipe', 'pipe', descriptor],
    detached: true,
  })
  closeSync(descriptor)

  const plainLines: string[] = []
  let lastError: string | null = null
  let poll: Timer = clock.after(LOG_POLL_MS, pollLog)
  function pollLog(): void {
    readLog()
    poll = clock.after(LOG_POLL_MS, pollLog)
  }
  function readLog(): void {
    for (const line of tail.read()) {
      const message = errorOfLogLine(line)
      if (message !== null) {
        lastError = message
        events.error(message)
      } else if (!line.startsWith('{')) {
        plainLines.push(line)
        if (plainLines.length > PLAIN_LINES_MAX) plainLines.shift()
      }
    }
  }
  onReadyLine(child, (addresses) => {
    logFile = renameLog(logFile, join(options.logFolder, `node-${addresses.nodeId}.log`))
    events.ready(addresses)
  })
  onEnd(child, (code, signal, startError) => {
    poll.cancel()
    readLog()
    tail.close()
    const reason = lastError ?? errorOfPlainText(plainLines)
    events.exit({ code, signal, lastError: startError ?? reason })
  })
  return {
    get pid() {
      return child.pid ?? null
    },
    get logFile() {
      return logFile
    },
    terminate: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
  }
}

function onReadyLine(child: ChildProcess, ready: (addresses: BrokerAddresses) => void): void {
  const splitter = new LineSplitter()
  let done = false
  child.stdout?.on('data', (bytes: Buffer) => {
    if (done) return
    for (const line of splitter.push(bytes)) {
      const addresses = parseReadyLine(line)
      if (addresses === null || done) continue
      done = true
      ready(addresses)
    }
  })
}

/** The addresses in a ready line, or null if `line` is another line. */
function parseReadyLine(line: string): BrokerAddresses | null {
  if (!line.startsWith('{')) return null
  try {
    const { nodeId, kafka, admin } = readyLine.parse(JSON.parse(line))
    return { nodeId, kafka, admin }
  } catch {
    return null
  }
}

/** Calls `end` once: when the process has ended and its output is read, or never started. */
function onEnd(
  child: ChildProcess,
  end: (code: number | null, signal: NodeJS.Signals | null, startError: string | null) => void,
): void {
  let ended = false
  // A broken pipe of a process that just died must not end the supervisor.
  child.stdin?.on('error', () => {})
  child.stdout?.on('error', () => {})
  child.on('error', (error) => {
    if (ended || child.pid !== undefined) return
    ended = true
    end(null, null, `the process could not be started: ${error.message}`)
  })
  child.on('close', (code, signal) => {
    if (ended) return
    ended = true
    end(code, signal, null)
  })
}

/** The log's new name, or the old one where renaming is not possible: no reason to fail. */
function renameLog(from: string, to: string): string {
  try {
    renameSync(from, to)
    return to
  } catch {
    return from
  }
}
