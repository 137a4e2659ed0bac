import { afterAll, afterEach, expect, test } from '@jest/globals'
import { Consumer } from '@platformatic/kafka'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { LoadProcess } from './demo/load-process.ts'

/** A local run as users have it: real brokers, a real client, real deaths. */
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'local-real-'))
const file = join(folder, 'cluster.yaml')
writeFileSync(
  file,
  `apiVersion: streamcluster.io/v1alpha1
kind: StreamCluster
metadata: {name: real}
spec:
  replicas: 2
  storage: {volume: {path: ${folder}}}
`,
)
const running: ChildProcess[] = []
const loads: LoadProcess[] = []
afterEach(async () => {
  for (const load of loads.splice(0)) load.kill()
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    // Its brokers end with it.
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function start(): Promise<{ child: ChildProcess; bootstrap: string }> {
  const child = spawn(process.execPath, [MAIN, '--file', file, '--port', '0'])
  running.push(child)
  let notes = ''
  child.stderr?.on('data', (text) => {
    notes += text
  })
  const output = await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, 'data').then(([text]) => String(text)),
    once(child, 'exit').then(() => {
      throw new Error(`the run ended: ${notes}`)
    }),
  ])
  const bootstrap = /^ready (\S+)\n$/.exec(output)?.[1]
  if (bootstrap === undefined) throw new Error(`no ready line: ${output}`)
  return { child, bootstrap }
}

function brokerPids(child: ChildProcess): number[] {
  const list = execFileSync('pgrep', ['-P', String(child.pid), '-f', 'broker/main.ts'])
  return list.toString().trim().split('\n').map(Number)
}

async function stop(child: ChildProcess): Promise<number | null> {
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

test('what is acknowledged survives kill -9 of a broker, a drain, and a new start', async () => {
  const first = await start()
  const load = new LoadProcess(first.bootstrap, 'numbers')
  loads.push(load)
  load.setRate(2_000_000)
  await pause(3000)
  const [victim = 0] = brokerPids(first.child)
  process.kill(victim, 'SIGKILL')
  await pause(4000)
  load.finish()
  const outcome = await load.outcome
  expect(outcome).toMatchObject({
    kind: 'finished',
    complete: true,
    findings: { missing: 0, duplicated: 0, misplaced: 0 },
  })
  const acknowledged = outcome.kind === 'finished' ? outcome.acknowledged : 0
  expect(acknowledged).toBeGreaterThan(500)
  expect(await stop(first.child)).toBe(0)

  const second = await start()
  const consumer = new Consumer({
    clientId: 'test',
    groupId: 'test',
    bootstrapBrokers: [second.bootstrap],
    retries: 50,
    retryDelay: 100,
  })
  const ends = await consumer.listOffsets({ topics: ['numbers'], timestamp: -1n })
  await consumer.close(true)
  const total = ends.get('numbers')?.reduce((sum, end) => sum + Number(end), 0)
  expect(total).toBe(acknowledged)
  expect(await stop(second.child)).toBe(0)
})

test('in a terminal it shows the brokers live, and Ctrl-C there drains them', async () => {
  // exec: a shell in between, such as dash, would end with 130 for a Ctrl-C that node has handled.
  const run = ['exec', process.execPath, MAIN, '--file', file, '--port', '0'].join(' ')
  const child = spawn('script', ['-qefc', run, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  running.push(child)
  let output = ''
  let told = (): void => {}
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    told()
  })
  const shown = (what: RegExp): Promise<void> =>
    new Promise((resolve) => {
      told = () => {
        if (what.test(stripVTControlCharacters(output))) resolve()
      }
      told()
    })
  await shown(/brokers 2 of 2.*in MB\/s.*active.*active.*total.*moves/s)
  output = ''
  child.stdin.write('\u0003')
  await shown(/is gone, drained in .*is gone, drained in /s)
  expect(await once(child, 'exit')).toEqual([0, null])
  // The cursor is there again for what comes next.
  expect(output.endsWith('\u001b[?25h')).toBe(true)
})
