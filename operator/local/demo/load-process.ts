import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { seconds } from '../words.ts'
import type { LoadCommand, LoadReport } from './load-messages.ts'

export type LoadOutcome =
  | Extract<LoadReport, { kind: 'finished' }>
  | Extract<LoadReport, { kind: 'fault' }>

const LOAD = fileURLToPath(new URL('./load.ts', import.meta.url))

/** The load, in a process of its own, so that it does not slow down what it is to show. */
export class LoadProcess {
  /** Resolves when the load has ended, in whichever way. */
  readonly outcome: Promise<LoadOutcome>
  private readonly child: ChildProcess
  private rate = 0
  private progress: Extract<LoadReport, { kind: 'progress' }> | null = null

  constructor(bootstrap: string, topic: string) {
    // Not in our process group: Ctrl-C is for the demo, which ends the load itself.
    this.child = fork(LOAD, [bootstrap, topic], { detached: true, stdio: 'ignore' })
    this.outcome = new Promise((resolve) => {
      this.child.on('message', (report: LoadReport) => {
        if (report.kind === 'progress') this.progress = report
        if (report.kind === 'finished' || report.kind === 'fault') resolve(report)
      })
      this.child.on('error', ({ message }) => resolve({ kind: 'fault', message }))
      this.child.on('exit', (code, signal) => {
        resolve({ kind: 'fault', message: `the load ended early (${signal ?? `code ${code}`})` })
      })
    })
  }

  setRate(bytesPerSecond: number): void {
    this.rate = bytesPerSecond
    this.send({ kind: 'rate', bytesPerSecond })
  }

  /** Lets it read what it wrote; {@link outcome} then says what it found. */
  finish(): void {
    this.rate = 0
    this.send({ kind: 'finish' })
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  /** Lines for the view. */
  notes(): string[] {
    const { progress } = this
    if (progress === null) return []
    const { read, missing, duplicated } = progress.findings
    return [
      `load ${this.rate / 1e6} MB/s: ${progress.acknowledged} records acknowledged ` +
        `(slowest ${seconds(progress.ackMsMax)}), ${read} read, ` +
        `${missing} lost, ${duplicated} duplicated`,
    ]
  }

  private send(command: LoadCommand): void {
    // A load that has ended already has said why.
    if (this.child.connected) this.child.send(command, () => {})
  }
}
