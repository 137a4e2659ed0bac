import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'

const SETPRIV = '/usr/bin/setpriv'
const KEPT_LINES_MAX = 200
const END_MS_MAX = 15_000

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
}

const living = new Set<Child>()

/**
 * A program that the benchmark runs. It must not outlive us: a load that nobody sees spoils the
 * next figures. The kernel kills it when we die, whatever we die of (prctl(2), PR_SET_PDEATHSIG).
 */
export class Child {
  readonly pid: number
  /** Resolves with the exit code, or null after a signal, once all output was read. */
  readonly exited: Promise<number | null>
  private readonly process: ChildProcess
  private readonly name: string
  private readonly lines: string[] = []

  constructor(program: string, args: readonly string[], options: ChildOptions = {}) {
    const guarded = existsSync(SETPRIV)
    const command = guarded ? SETPRIV : program
    const commandArgs = guarded ? ['--pdeathsig', 'KILL', '--', program, ...args] : [...args]
    this.name = program
    this.process = spawn(command, commandArgs, {
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.pid = this.process.pid ?? -1
    living.add(this)
    const onLine = (line: string): void => {
      this.lines.push(line)
      if (this.lines.length > KEPT_LINES_MAX) this.lines.shift()
      options.onLine?.(line)
    }
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', onLine)
    }
    this.process.stdin?.on('error', () => {})
    this.exited = new Promise((resolve) => {
      this.process.once('error', (error) => {
        this.lines.push(error.message)
        living.delete(this)
        resolve(-1)
      })
      this.process.once('close', (code) => {
        living.delete(this)
        resolve(code)
      })
    })
  }

  get isAlive(): boolean {
    return living.has(this)
  }

  /** The last lines of its output, for errors. */
  get output(): string {
    return this.lines.join('\n')
  }

  write(line: string): void {
    this.process.stdin?.write(`${line}\n`)
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name)
  }

  /** Resolves once it has ended by itself. Throws, with its last words, if that was a failure. */
  async success(): Promise<void> {
    const code = await this.exited
    if (code !== 0) throw new Error(`${this.name} ended with ${code}:\n${this.output}`)
  }

  /** Asks it to end, and insists after a while. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.isAlive) return
    this.signal(signal)
    const timer = setTimeout(() => this.signal('SIGKILL'), END_MS_MAX)
    await this.exited
    clearTimeout(timer)
  }
}

/** Kills every child there still is, and resolves once all are gone. */
export async function killChildren(): Promise<void> {
  const children = [...living]
  for (const child of children) child.signal('SIGKILL')
  await Promise.all(children.map(({ exited }) => exited))
}
