import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Acknowledged } from './acknowledged.ts'
import type { LoadReport, LoadSettings } from './load-messages.ts'
import { recordValue } from './load-messages.ts'
import { until, WAIT_MS_MAX } from './wait.ts'

const MAIN = fileURLToPath(new URL('./load-main.ts', import.meta.url))

const DEFAULTS = {
  name: 'load',
  batchRecords: 5,
  pauseMs: 5,
  valueBytes: 100,
  timeoutMs: 10_000,
}

/** The parent's end of a load (load-main.ts): what it says was acknowledged, and what failed. */
export class Load {
  readonly acknowledged = new Acknowledged()
  readonly failures: string[] = []
  private readonly settings: LoadSettings
  private readonly child: ChildProcess
  private readonly ackedPartitions = new Map<number, number>()
  private isFinished = false
  private hasEnded = false
  private lastAckMs = Date.now()
  /** The longest time in which nothing at all was acknowledged. */
  silenceMsMax = 0

  constructor(
    settings: Pick<LoadSettings, 'bootstrap' | 'topic' | 'partitions'> & Partial<LoadSettings>,
  ) {
    this.settings = { ...DEFAULTS, ...settings }
    this.child = fork(MAIN, [JSON.stringify(this.settings)], { execArgv: [] })
    this.child.on('message', (report: LoadReport) => this.take(report))
    this.child.once('exit', () => {
      this.hasEnded = true
    })
    const kill = (): void => void this.child.kill('SIGKILL')
    process.once('exit', kill)
    this.child.once('exit', () => process.off('exit', kill))
  }

  private take(report: LoadReport): void {
    if (report.kind === 'finished') this.isFinished = true
    else if (report.kind === 'failed') {
      this.failures.push(`partition ${report.partition}: ${report.message}`)
    } else {
      const { partition, baseOffset, first, count } = report
      const nowMs = Date.now()
      this.silenceMsMax = Math.max(this.silenceMsMax, nowMs - this.lastAckMs)
      this.lastAckMs = nowMs
      this.ackedPartitions.set(partition, first + count)
      for (let index = 0; index < count; index++) {
        const value = recordValue(this.settings, partition, first + index)
        this.acknowledged.add(partition, baseOffset + index, value)
      }
    }
  }

  /** Resolves once every partition has got `records` more acknowledged than it has now. */
  async progress(records = 1): Promise<void> {
    const { partitions } = this.settings
    const goals = partitions.map((each) => (this.ackedPartitions.get(each) ?? 0) + records)
    await until('every partition is written to', () => {
      if (this.hasEnded) throw new Error(`the load ended early: ${this.failures}`)
      if (this.failures.length > 0) throw new Error(this.failures.join('\n'))
      return partitions.every((each, at) => {
        return (this.ackedPartitions.get(each) ?? 0) >= (goals[at] ?? 0)
      })
    })
  }

  /** Ends it once all it sent is acknowledged. */
  async finish(): Promise<void> {
    this.child.send('finish')
    await until('the load has finished', () => this.isFinished || this.hasEnded, 2 * WAIT_MS_MAX)
    await this.close()
  }

  async close(): Promise<void> {
    this.child.kill('SIGKILL')
    await until('the load is gone', () => this.hasEnded)
  }
}
