import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from './wait.ts'

const MAIN = fileURLToPath(new URL('../../broker/main.ts', import.meta.url))
const ORPHAN_GUARD = fileURLToPath(new URL('../../operator/local/orphan-guard.ts', import.meta.url))

/** Exit codes of a broker; see broker/main.ts. */
export const EXIT_DRAINED = 0
export const EXIT_TAKEN_OVER = 3

export interface LogLine {
  readonly time: string
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface BrokerPorts {
  readonly kafka: number
  readonly admin: number
}

/** Read once: to read it anew after a minute of fuzzing ended Node itself, once (in native code). */
const ENVIRONMENT = { ...process.env }

/** One run of broker/main.ts, which is one node of the cluster. Its ports are chosen beforehand. */
export class BrokerProcess {
  readonly ports: BrokerPorts
  readonly log: LogLine[] = []
  exit: Exit | null = null
  /** Set once it serves. */
  nodeId = -1
  private readonly child: ChildProcess
  private readonly logFile: string

  constructor(options: {
    ports: BrokerPorts
    env: Readonly<Record<string, string>>
    logFolder: string
  }) {
    this.ports = options.ports
    this.logFile = join(options.logFolder, `broker-${options.ports.kafka}-${Date.now()}.log`)
    this.child = spawn(process.execPath, ['--import', ORPHAN_GUARD, MAIN], {
      env: {
        ...ENVIRONMENT,
        STREAMCLUSTER_LISTEN: `127.0.0.1:${options.ports.kafka}`,
        STREAMCLUSTER_ADMIN_LISTEN: `127.0.0.1:${options.ports.admin}`,
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.watch()
  }

  private watch(): void {
    const { child } = this
    // A test run that is interrupted must leave nothing behind, not even what is paused.
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', (code, signal) => {
      process.off('exit', kill)
      this.exit = { code, signal }
    })
    child.stdin?.on('error', () => {})
    const file = createWriteStream(this.logFile)
    child.stderr?.pipe(file)
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        if (line.startsWith('{')) this.log.push(JSON.parse(line) as LogLine)
      })
    }
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { event, nodeId } = JSON.parse(line) as { event: string; nodeId: number }
        if (event === 'ready') this.nodeId = nodeId
      })
    }
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.ports.kafka}`
  }

  get isRunning(): boolean {
    return this.exit === null
  }

  /** Resolves once it has said that it serves. */
  async ready(): Promise<this> {
    await until(`a broker is ready; see ${this.logFile}`, () => {
      if (this.exit !== null) {
        const last = JSON.stringify(this.log.slice(-3))
        throw new Error(`the broker ended with ${JSON.stringify(this.exit)}: ${last}`)
      }
      return this.nodeId >= 0
    })
    return this
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Ends it at once, wherever it is, and resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended()
  }

  /** Asks it to drain, and resolves when it is gone. */
  async terminate(): Promise<Exit> {
    this.signal('SIGTERM')
    return this.ended()
  }

  ended(): Promise<Exit> {
    return until(`the broker on port ${this.ports.kafka} ends`, () => this.exit)
  }

  /** The first line of its log with this message. */
  logged(message: string): LogLine | undefined {
    return this.log.find((line) => line.message === message)
  }

  /** GET of its admin port. */
  async admin(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.ports.admin}${path}`)
    return { status: response.status, text: await response.text() }
  }

  async load(): Promise<{ state: string; partitions: number; controller: boolean }> {
    const { text } = await this.admin('/load')
    return JSON.parse(text) as { state: string; partitions: number; controller: boolean }
  }
}
