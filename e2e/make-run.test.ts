import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BUILD_MS_MAX, type S3Server, startVersitygw } from '../object-store/testing/s3-servers.ts'
import { type Finished, finished, spawnGuarded } from './lib/child.ts'
import { kcat, readTopic } from './lib/kcat.ts'
import { freePort } from './lib/ports.ts'
import { until } from './lib/wait.ts'

/** The whole of `make run`, as somebody types it: make, supervisor, brokers, and a client. */
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TOPIC = 'greetings'
const TEST_MS_MAX = 240_000

let server: S3Server
const folder = mkdtempSync(join(tmpdir(), 'streamcluster-make-run-'))
const runs: Run[] = []

beforeAll(async () => {
  server = await startVersitygw()
}, BUILD_MS_MAX)
afterEach(() => {
  for (const run of runs.splice(0)) run.kill()
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Process id → its parent's, of all processes there are. */
function parents(): Map<number, number> {
  const found = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The command, in parentheses, may hold spaces; state and parent come after it.
      found.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {
      // It ended meanwhile.
    }
  }
  return found
}

class Run {
  readonly ended: Promise<Finished>
  private readonly child: ChildProcess
  private output = ''

  constructor(variables: readonly string[], env: Readonly<Record<string, string>>) {
    // As from a shell: a make above this test must not tell this one how to go about it.
    const { MAKEFLAGS: _flags, MFLAGS: _more, MAKELEVEL: _level, ...environment } = process.env
    this.child = spawnGuarded('make', ['run', ...variables], {
      cwd: ROOT,
      env: { ...environment, ...env },
    })
    this.child.stdout?.on('data', (text) => {
      this.output += text
    })
    this.ended = finished(this.child)
    runs.push(this)
  }

  async ready(port: number): Promise<void> {
    const lookAt = this.ended.then(({ stderr }) => {
      throw new Error(`it ended: ${stderr}`)
    })
    const line = `ready 127.0.0.1:${port}\n`
    await Promise.race([lookAt, until('it is ready', () => this.output.includes(line))])
  }

  /** All processes that it consists of, make first. */
  processes(): number[] {
    const all = parents()
    const found = [this.child.pid ?? 0]
    for (const pid of found) {
      for (const [child, parent] of all) if (parent === pid) found.push(child)
    }
    return found
  }

  terminate(): Promise<Finished> {
    this.child.kill('SIGTERM')
    return this.ended
  }

  /** For a test that failed: brokers end with their supervisor. */
  kill(): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    for (const pid of this.processes()) process.kill(pid, 'SIGKILL')
  }
}

/** Two names of one place, and what a run needs to get there. */
interface Place {
  readonly data: string
  readonly sameData: string
  readonly env: Readonly<Record<string, string>>
}

async function refusedAndFoundAgain(place: Place): Promise<void> {
  const { data, sameData, env } = place
  const port = await freePort()
  const first = new Run([`PORT=${port}`, `DATA=${data}`], env)
  await first.ready(port)
  const bootstrap = `127.0.0.1:${port}`
  const written = await kcat(['-P', '-b', bootstrap, '-t', TOPIC], 'hello\nworld\n')
  expect(written).toMatchObject({ code: 0 })

  const second = await new Run([`PORT=${await freePort()}`, `DATA=${sameData}`], env).ended
  expect(second.code).not.toBe(0)
  expect(second.stderr).toContain('it is in use by another run: process ')
  expect(second.stdout).not.toContain('ready')

  const processes = first.processes()
  // make, the supervisor, and a broker at least.
  expect(processes.length).toBeGreaterThanOrEqual(3)
  await first.terminate()
  const alive = parents()
  expect(processes.filter((pid) => alive.has(pid))).toEqual([])

  const again = new Run([`PORT=${port}`, `DATA=${sameData}`], env)
  await again.ready(port)
  const values = (await readTopic([bootstrap], TOPIC)).map(({ value }) => value)
  expect(values.sort()).toEqual(['hello', 'world'])
  await again.terminate()
}

describe('make run serves, keeps a second run away, ends whole, and finds its data again', () => {
  test(
    'on a folder',
    () => {
      const data = join(folder, 'data')
      return refusedAndFoundAgain({ data, sameData: `file://${data}/`, env: {} })
    },
    TEST_MS_MAX,
  )

  test(
    'on a bucket of an S3 server',
    () => {
      const data = `s3://${server.bucket}/run`
      const sameData = `${data}/?endpoint=${encodeURIComponent(server.endpoint)}`
      return refusedAndFoundAgain({ data, sameData, env: server.env })
    },
    TEST_MS_MAX,
  )
})
