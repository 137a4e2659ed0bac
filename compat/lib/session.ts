import type { ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ReadRecord } from '../../e2e/lib/acknowledged.ts'
import { spawnGuarded } from '../../e2e/lib/child.ts'
import { until } from '../../e2e/lib/wait.ts'
import type { SessionReport, SessionSettings } from './session-protocol.ts'

/** Far more than a client takes to give up; a session that is silent for longer hangs. */
const END_MS_MAX = 240_000
const FAILURES_TOLD = 3
/** Of what it wrote on standard error, when it does not end well. */
const WORDS_KEPT = 600

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

type Acked = Extract<SessionReport, { event: 'acked' }>
type Step = Extract<SessionReport, { event: 'step' }>

let sessionCount = 0

/** The runner's end of a session (session-protocol.ts). */
export class Session {
  readonly acked: Acked[] = []
  readonly records: ReadRecord[] = []
  readonly steps: Step[] = []
  readonly failures: string[] = []
  /** What it was assigned last, and how often it was assigned anything. */
  readonly assigned = new Set<number>()
  assignedCount = 0
  /** How often all that it was assigned was taken away from it. */
  emptiedCount = 0
  version = ''
  readonly settings: SessionSettings
  private readonly child: ChildProcess
  private readonly name: string
  private readonly closed: Promise<number | null>
  private lastWords = ''
  private isReady = false
  private isDone = false
  private hasEnded = false
  /** It did all it was asked for; known once {@link end} has resolved. */
  hasEndedWell = false
  private mayEnd = false

  /** `logFolder` gets what the client writes on standard error. */
  constructor(command: Command, settings: SessionSettings, logFolder: string) {
    this.settings = settings
    this.name = `${settings.topic ?? settings.role}-${settings.role}-${sessionCount++}`
    const args = [...command.args, JSON.stringify(settings)]
    this.child = spawnGuarded(command.program, args, { env: { ...process.env, ...command.env } })
    this.child.stderr?.pipe(createWriteStream(join(logFolder, `${this.name}.log`)))
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.lastWords = (this.lastWords + chunk.toString()).slice(-WORDS_KEPT)
    })
    if (this.child.stdout !== null) {
      createInterface({ input: this.child.stdout }).on('line', (line) => this.take(line))
    }
    this.closed = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.failures.push(`${command.program} cannot be started: ${error.message}`)
        this.hasEnded = true
        resolve(null)
      })
      this.child.once('close', (code) => {
        this.hasEnded = true
        resolve(code)
      })
    })
  }

  private take(line: string): void {
    if (!line.startsWith('{"event":')) {
      // Python's json puts a blank there; whatever else a client prints is its own business.
      if (!line.startsWith('{"event": ')) return
    }
    const report = JSON.parse(line) as SessionReport
    switch (report.event) {
      case 'version':
        this.version = report.version
        break
      case 'ready':
        this.isReady = true
        break
      case 'acked':
        this.acked.push(report)
        break
      case 'failed':
        this.failures.push(`${report.what.slice(0, 60)}: ${report.message}`)
        break
      case 'assigned':
        if (report.partitions.length > 0) this.assignedCount++
        for (const each of report.partitions) this.assigned.add(each)
        break
      case 'revoked':
        for (const each of report.partitions) this.assigned.delete(each)
        if (report.partitions.length > 0 && this.assigned.size === 0) this.emptiedCount++
        break
      case 'record':
        this.records.push(report)
        break
      case 'step':
        this.steps.push(report)
        break
      case 'done':
        this.isDone = true
    }
  }

  /** Throws with what went wrong, if anything did. */
  checkFailures(): void {
    const { failures } = this
    if (this.hasEnded && !this.mayEnd && failures.length === 0) {
      throw new Error(`${this.name} ended by itself: ${this.lastWords.trim()}`)
    }
    if (failures.length === 0) return
    const more = failures.length > FAILURES_TOLD ? `; ${failures.length} in all` : ''
    throw new Error(`${this.name}: ${failures.slice(0, FAILURES_TOLD).join('; ')}${more}`)
  }

  /** Waits for something that this session makes happen; its failures end the wait. */
  async until(what: string, look: () => boolean, waitMsMax?: number): Promise<void> {
    const wanted = (): boolean => {
      this.checkFailures()
      return look()
    }
    await until(`${this.name}: ${what}`, wanted, waitMsMax)
  }

  ready(): Promise<void> {
    return this.until('it is ready', () => this.isReady)
  }

  send(count: number): void {
    this.child.stdin?.write(`send ${count}\n`)
  }

  run(recordsPerSecond: number): void {
    this.child.stdin?.write(`run ${recordsPerSecond}\n`)
  }

  /** Asks for the end, and waits for it. Throws if it ended other than well. */
  async finish(): Promise<void> {
    this.child.stdin?.write('finish\n')
    await this.end()
  }

  /** Waits for its end. Throws if it ended other than well. */
  async end(): Promise<void> {
    this.mayEnd = true
    await until(`${this.name} ends`, () => this.hasEnded, END_MS_MAX)
    const code = await this.closed
    this.checkFailures()
    if (code !== 0 || !this.isDone) {
      throw new Error(`${this.name} ended with ${code}: ${this.lastWords.trim()}`)
    }
    this.hasEndedWell = true
  }

  /** Ends it wherever it is. */
  async kill(): Promise<void> {
    this.mayEnd = true
    if (this.hasEnded) return
    this.child.kill('SIGKILL')
    await this.closed
  }
}
