import { readFileSync, writeFileSync } from 'node:fs'

/** Linux counts CPU time for /proc in hundredths of a second, whatever its own tick is. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** CPU time in seconds, of all threads, those that have ended included. */
export interface CpuSeconds {
  readonly user: number
  readonly system: number
  readonly total: number
}

/** Reads the CPU time out of the text of /proc/<pid>/stat (proc(5), fields 14 and 15). */
export function parseCpuSeconds(stat: string): CpuSeconds {
  // The second field is the program's name in brackets, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const user = Number(fields[11]) / TICKS_PER_SECOND
  const system = Number(fields[12]) / TICKS_PER_SECOND
  return { user, system, total: user + system }
}

/** What a process has used so far. Throws when there is no such process. */
export function cpuSecondsOf(pid: number): CpuSeconds {
  return parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** What the process's first thread has used: in Node, the event loop. */
export function mainThreadSecondsOf(pid: number): number {
  return parseCpuSeconds(readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8')).total
}

/** The memory that a process has in use (resident set), in bytes. */
export function residentBytesOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
  return Number(fields[1]) * PAGE_BYTES
}

/** From now on {@link peakResidentBytesOf} tells of what comes, not of what was (proc(5): 5). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** The most memory that a process had in use since it began, or since its peak was forgotten. */
export function peakResidentBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** Seconds that all CPUs of the machine have been busy, and seconds there were. */
export function machineSeconds(): { busy: number; all: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const all = ticks.reduce((sum, count) => sum + count, 0)
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0)
  return { busy: (all - idle) / TICKS_PER_SECOND, all: all / TICKS_PER_SECOND }
}
