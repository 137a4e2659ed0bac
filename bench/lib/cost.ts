import { readFileSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { spreadOf } from './statistics.ts'

/**
 * What something in this process costs. Times are CPU time of this thread: other work on the machine
 * stretches the clock, not this.
 */
export interface Cost {
  readonly cpuMs: number
  /** The longest turn of the event loop: so long nothing else runs. */
  readonly turnMs: number
  /** How far the resident set rose above where it stood. */
  readonly peakMebibytes: number
}

const MEBIBYTE = 1024 * 1024

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as (options: object) => void

/** Gives pages back to the system, too: otherwise the next peak would hide in them. */
function collect(): void {
  gc({ type: 'major', flavor: 'last-resort' })
}

/** What lives on this process's heap, in MiB. */
export function liveMebibytes(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / MEBIBYTE
}

function residentMebibytes(field: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024
}

/** Begins the high-water mark of this process's resident set anew (proc(5), clear_refs). */
function forgetPeak(): number {
  collect()
  writeFileSync('/proc/self/clear_refs', '5')
  return residentMebibytes('VmRSS')
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Looks in each turn of the event loop what the last one took. Whoever only waits must not use it. */
class TurnMeter {
  longestMs = 0
  private lastMs = threadCpuMs()
  private next: NodeJS.Immediate | null = null

  start(): void {
    this.next = setImmediate(() => {
      this.look()
      this.start()
    })
  }

  private look(): void {
    const nowMs = threadCpuMs()
    this.longestMs = Math.max(this.longestMs, nowMs - this.lastMs)
    this.lastMs = nowMs
  }

  stop(): void {
    this.look()
    if (this.next !== null) clearImmediate(this.next)
  }
}

/** Does `work`, which waits for nothing outside this process, and says what it cost. */
export async function costOf<T>(work: () => T | Promise<T>): Promise<Cost & { result: T }> {
  const residentBefore = forgetPeak()
  const turns = new TurnMeter()
  turns.start()
  const startMs = threadCpuMs()
  const result = await work()
  const cpuMs = threadCpuMs() - startMs
  turns.stop()
  const peakMebibytes = residentMebibytes('VmHWM') - residentBefore
  return { cpuMs, turnMs: turns.longestMs, peakMebibytes, result }
}

/** Does `work` several times; the middle of each cost. */
export async function medianCost(times: number, work: () => unknown): Promise<Cost> {
  const costs: Cost[] = []
  for (let index = 0; index < times; index++) costs.push(await costOf(work))
  const median = (of: (cost: Cost) => number): number => spreadOf(costs.map(of)).median
  return {
    cpuMs: median((cost) => cost.cpuMs),
    turnMs: median((cost) => cost.turnMs),
    peakMebibytes: median((cost) => cost.peakMebibytes),
  }
}
