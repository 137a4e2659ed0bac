import { afterEach, describe, expect, test } from '@jest/globals'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./testing/run-with-fake-brokers.ts', import.meta.url))
const WAIT_MS_MAX = 30_000

const RESOURCE = `apiVersion: streamcluster.io/v1alpha1
kind: StreamCluster
metadata: {name: test}
spec:
  storage: {volume: {path: unused}}
  config: {num.partitions: 6}
  autoscaling:
    minReplicas: 2
    maxReplicas: 4
    metrics:
    - type: Pods
      pods:
        metric: {name: streamcluster_network_bytes_per_second}
        target: {type: AverageValue, averageValue: 10M}
    behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
`

/** Polls, because what is waited for happens in other processes. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = Date.now() + WAIT_MS_MAX
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

class Run {
  readonly child: ChildProcess
  output = ''
  notes = ''
  exit: { code: number | null; signal: string | null } | null = null

  constructor(args: readonly string[]) {
    // A process group of its own, so that a signal to it is what a terminal's Ctrl-C is.
    this.child = spawn(process.execPath, [PROGRAM, ...args], { detached: true })
    this.child.stdout?.on('data', (text) => {
      this.output += text
    })
    this.child.stderr?.on('data', (text) => {
      this.notes += text
    })
    this.child.on('close', (code, signal) => {
      this.exit = { code, signal }
    })
  }

  async ended(): Promise<number | null> {
    await until(`the run ends; it said ${this.notes}`, () => this.exit !== null)
    return this.exit?.code ?? null
  }

  async ready(): Promise<number> {
    await until(`the run is ready; it said ${this.notes}`, () => this.output.includes('\n'))
    return Number(/^ready 127\.0\.0\.1:(\d+)$/m.exec(this.output)?.[1])
  }

  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-(this.child.pid ?? 0), signal)
  }
}

class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'local-run-'))
  readonly data = join(this.folder, 'data')
  readonly file = join(this.folder, 'cluster.yaml')
  readonly runs: Run[] = []

  constructor(resource = RESOURCE) {
    mkdirSync(join(this.data, 'bucket', 'fake'), { recursive: true })
    writeFileSync(this.file, resource)
  }

  start(...args: string[]): Run {
    const run = new Run(['--file', this.file, '--data', this.data, '--port', '0', ...args])
    this.runs.push(run)
    return run
  }

  steer(name: string, text: string): void {
    writeFileSync(join(this.data, 'bucket', 'fake', name), text)
  }

  /** Node id → pid of the fake brokers that live. */
  brokers(): Map<number, number> {
    const fake = join(this.data, 'bucket', 'fake')
    const names = readdirSync(fake).filter((name) => name.startsWith('alive-'))
    return new Map(
      names.map((name) => [Number(name.slice(6)), Number(readFileSync(join(fake, name), 'utf8'))]),
    )
  }

  logs(): string {
    const folder = join(this.data, 'logs')
    if (!existsSync(folder)) return ''
    return readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('')
  }
}

const sites: Site[] = []
function site(resource?: string): Site {
  const made = new Site(resource)
  sites.push(made)
  return made
}
afterEach(async () => {
  for (const used of sites.splice(0)) {
    for (const run of used.runs) {
      if (run.exit === null) run.child.kill('SIGKILL')
      await run.ended()
    }
    for (const pid of used.brokers().values()) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    rmSync(used.folder, { recursive: true, force: true })
  }
})

async function greeting(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return bytes.toString()
}

describe('a local run', () => {
  test('serves, grows with the load, replaces the dead, shrinks, and drains at Ctrl-C', async () => {
    const here = site()
    const run = here.start()
    const port = await run.ready()
    expect([...here.brokers().keys()].sort()).toEqual([1, 2])
    expect(await greeting(port)).toMatch(/^node [12]\n$/)

    here.steer('total', '40000000')
    await until('there are 4 brokers', () => here.brokers().size === 4)

    const [[victim, pid] = [0, 0]] = here.brokers()
    rmSync(join(here.data, 'bucket', 'fake', `alive-${victim}`))
    process.kill(pid, 'SIGKILL')
    await until('a new node replaced the dead', () => here.brokers().has(5))
    expect(await greeting(port)).toMatch(/^node [2-5]\n$/)

    here.steer('total', '0')
    await until('there are 2 brokers again', () => here.brokers().size === 2)

    run.signalGroup('SIGINT')
    expect(await run.ended()).toBe(0)
    expect(run.output).toBe(`ready 127.0.0.1:${port}\n`)
    expect(here.brokers().size).toBe(0)
    expect(readdirSync(join(here.data, 'lock'))).toEqual([])
    expect(here.logs()).not.toContain('must not get the SIGINT')
    expect(here.logs()).toContain('num.partitions')
  })

  test('refuses a second run on the same data, and leaves the first alone', async () => {
    const here = site()
    const first = here.start()
    await first.ready()
    const second = here.start()
    expect(await second.ended()).toBe(1)
    const pid = first.child.pid
    expect(second.notes).toContain(`${here.data}: it is in use by another run: process ${pid},`)
    expect(here.brokers().size).toBe(2)
    expect(first.exit).toBeNull()
  })

  test('refuses a port that is in use, with words', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const run = site().start('--port', String(port))
    expect(await run.ended()).toBe(1)
    expect(run.notes).toBe(
      `port ${port} is in use by another program; choose another one: PORT=${port + 1}\n`,
    )
    server.close()
  })

  test('ends with the last error when brokers cannot start', async () => {
    const here = site()
    here.steer('fail', 'the bucket belongs to another cluster')
    const run = here.start()
    expect(await run.ended()).toBe(1)
    expect(run.notes.trim().split('\n').at(-1)).toBe(
      'brokers cannot start: the broker cannot start: the bucket belongs to another cluster ' +
        `(logs: ${join(here.data, 'logs')})`,
    )
    expect(run.output).toBe('')
  })

  test('a second signal ends everything at once', async () => {
    const here = site()
    const run = here.start()
    await run.ready()
    here.steer('deaf', '')
    const pids = [...here.brokers().values()]
    run.signalGroup('SIGINT')
    await until('it drains', () => run.notes.includes('ending:'))
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(run.exit).toBeNull()
    run.signalGroup('SIGINT')
    expect(await run.ended()).toBe(130)
    expect(pids.filter(isAlive)).toEqual([])
  })

  test('a signal before the first broker serves ends it just as well', async () => {
    const here = site()
    here.steer('hold', '')
    const run = here.start()
    await until('a broker starts', () => existsSync(join(here.data, 'logs')))
    run.signalGroup('SIGTERM')
    expect(await run.ended()).toBe(0)
    expect(run.output).toBe('')
  })

  test('brokers do not outlive a run that was killed, and the next run takes over', async () => {
    const here = site()
    const killed = here.start()
    await killed.ready()
    const pids = [...here.brokers().values()]
    killed.child.kill('SIGKILL')
    await until('the brokers are gone', () => !pids.some(isAlive))
    expect(here.brokers().size).toBe(0)
    const next = here.start()
    await next.ready()
    next.signalGroup('SIGTERM')
    expect(await next.ended()).toBe(0)
  })
})

describe('what a person gives', () => {
  test.each([
    [
      'a file with mistakes',
      RESOURCE.replace('minReplicas: 2', 'minReplica: 2'),
      [],
      [
        'FILE:7: spec.autoscaling.minReplicas is missing; it must be a whole number from 1 to 10000',
        'FILE:8: spec.autoscaling.minReplica is not a field here; ' +
          'allowed: mode, minReplicas, maxReplicas, metrics, behavior',
      ],
    ],
    [
      'a port that is none',
      RESOURCE,
      ['--port', '99999'],
      ['PORT is 99999: it must be a number from 0 to 65535'],
    ],
    [
      'a file that is not there',
      RESOURCE,
      ['--file', '/nowhere/x.yaml'],
      ['/nowhere/x.yaml: there is no such file; name another one with FILE=path/to/cluster.yaml'],
    ],
    [
      'a claim without a path',
      RESOURCE.replace('path: unused', 'claimName: c'),
      ['--data', ''],
      [
        'FILE: spec.storage.volume has no path: a claim exists only in Kubernetes; ' +
          'name a folder of this machine with path, or with DATA=./data',
      ],
    ],
  ])('%s is answered in words', async (_, resource, args, expected) => {
    const here = site(resource)
    const run = here.start(...args)
    expect(await run.ended()).toBe(1)
    const lines = run.notes.trim().split('\n')
    expect(lines).toEqual(expected.map((line) => line.replace(/^FILE:/, `${here.file}:`)))
  })
})
