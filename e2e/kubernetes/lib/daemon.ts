import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FOLDER } from './layout.ts'

const STOP_MS_MAX = 5_000
const LOG_TAIL_CHARACTERS = 2_000

/**
 * A program that runs until it is stopped, with its output in a file. It ends with this process,
 * even one that is killed: nothing of a cluster may be left to the machine's owner.
 */
export class Daemon {
  readonly name: string
  readonly logFile: string
  private readonly child: ChildProcess
  private readonly ended: Promise<void>

  constructor(name: string, program: string, args: readonly string[]) {
    this.name = name
    this.logFile = join(FOLDER, 'logs', `${name}.log`)
    const output = openSync(this.logFile, 'a')
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    this.ended = new Promise((resolve) => {
      this.child.once('exit', () => resolve())
      this.child.once('error', () => resolve())
    })
  }

  get isRunning(): boolean {
    const { exitCode, signalCode, pid } = this.child
    return pid !== undefined && exitCode === null && signalCode === null
  }

  /** The end of its log, for the message of whoever waited for it in vain. */
  get lastWords(): string {
    return readFileSync(this.logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS)
  }

  /** Throws when it has ended by itself. */
  expectRunning(): void {
    if (!this.isRunning) throw new Error(`${this.name} has ended: ${this.lastWords}`)
  }

  /** Ends it at once. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.isRunning) this.child.kill('SIGKILL')
    await this.ended
  }

  /** Asks it to end, and sees to it when it does not. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.isRunning) this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS_MAX)
    await this.ended
    clearTimeout(timer)
  }
}
