import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Clock, Timer } from '../../base/clock.ts'

/** Who holds a lock. A pid alone is not enough: it is given again after a while. */
interface LockHolder {
  readonly pid: number
  readonly host: string
  /** When the process started, as the system tells it; null where it does not. */
  readonly processStart: string | null
  /** For people. */
  readonly since: string
}

export type LockResult =
  | { readonly ok: true; readonly lock: RunLock }
  | { readonly ok: false; readonly message: string }

/** A holder on another machine shows that it lives by touching its file. */
const TOUCH_MS = 10_000
const FOREIGN_AGE_MS_MAX = 60_000

/**
 * Keeps a second run away from the same data: two supervisors would each scale the same cluster.
 * (The data itself needs no lock; brokers are fenced through the store.)
 *
 * Each run puts a file named after itself into `folder`, and only then looks for others. Of two
 * runs that start at the same moment at least one sees the other, so never do both go on. Files of
 * dead processes are removed by whoever sees them.
 */
export class RunLock {
  private readonly path: string
  private readonly clock: Clock
  private timer: Timer

  private constructor(path: string, clock: Clock) {
    this.path = path
    this.clock = clock
    this.timer = clock.after(TOUCH_MS, () => this.touch())
  }

  static acquire(folder: string, clock: Clock): LockResult {
    mkdirSync(folder, { recursive: true })
    const processStart = processStartOf(process.pid)
    const since = new Date(clock.wallMs()).toISOString()
    const holder: LockHolder = { pid: process.pid, host: hostname(), processStart, since }
    const name = `${holder.host}-${holder.pid}-${processStart ?? 'unknown'}.json`
    const path = join(folder, name.replace(/[^A-Za-z0-9.-]/g, '_'))
    // Renamed, so that it appears whole: a half-written one would be taken for a dead holder's.
    writeFileSync(`${path}.new`, `${JSON.stringify(holder)}\n`)
    renameSync(`${path}.new`, path)
    for (const other of readdirSync(folder)) {
      const otherPath = join(folder, other)
      if (otherPath === path || !other.endsWith('.json')) continue
      const message = refusalBy(otherPath, clock)
      if (message === null) {
        rmSync(otherPath, { force: true })
        continue
      }
      rmSync(path, { force: true })
      return { ok: false, message }
    }
    return { ok: true, lock: new RunLock(path, clock) }
  }

  release(): void {
    this.timer.cancel()
    rmSync(this.path, { force: true })
  }

  private touch(): void {
    const now = this.clock.wallMs() / 1000
    try {
      utimesSync(this.path, now, now)
    } catch {
      // The folder was deleted under us. Brokers will say what that means for them.
    }
    this.timer = this.clock.after(TOUCH_MS, () => this.touch())
  }
}

/** Why the holder of the file at `path` keeps us out, or null when it is dead. */
function refusalBy(path: string, clock: Clock): string | null {
  let holder: LockHolder
  let ageMs: number
  try {
    ageMs = clock.wallMs() - statSync(path).mtimeMs
    holder = JSON.parse(readFileSync(path, 'utf8')) as LockHolder
  } catch {
    // Gone since it was listed, or damaged by a crash of the machine.
    return null
  }
  if (holder.host !== hostname()) {
    if (ageMs > FOREIGN_AGE_MS_MAX) return null
    return (
      `it is in use by a run on the machine ${holder.host} since ${holder.since} ` +
      `(if that run is dead, wait a minute, or delete ${path})`
    )
  }
  if (holder.pid === process.pid || !isAlive(holder)) return null
  return `it is in use by another run: process ${holder.pid}, since ${holder.since}`
}

function isAlive(holder: LockHolder): boolean {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    // Another user's process is alive.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return holder.processStart === null || holder.processStart === processStartOf(holder.pid)
}

/** The start time of a process, in whatever form the system has; only compared, never read. */
function processStartOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command, in parentheses, may hold spaces. Field 22 is the 20th after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    // Not Linux: ask ps.
  }
  try {
    const output = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
    return output.trim() || null
  } catch {
    return null
  }
}
