import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '..')

/** Stands for the cluster: says when it is up, takes half a second to drain, counts its signals. */
const PROGRAM = `
let signals = 0
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (++signals > 1) return
    console.log('draining on ' + signal)
    setTimeout(() => { console.log('drained after ' + signals); process.exit(0) }, 500)
  })
}
setInterval(() => {}, 1000)
console.log('up ' + process.pid + ' ' + process.argv.slice(2).join(' '))
`

let folder = ''
let running: ChildProcess | null = null
let programPid = 0

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

afterEach(async () => {
  if (running !== null && running.exitCode === null && running.signalCode === null) {
    running.kill('SIGKILL')
    await once(running, 'exit')
  }
  if (programPid > 0 && alive(programPid)) process.kill(programPid, 'SIGKILL')
  running = null
  programPid = 0
  rmSync(folder, { recursive: true, force: true })
})

/** A folder with the project's Makefile, its Node, and a program in the cluster's place. */
function project(program: string): void {
  folder = mkdtempSync(join(tmpdir(), 'make-'))
  for (const path of ['scripts', 'operator/local', 'node_modules']) {
    mkdirSync(join(folder, path), { recursive: true })
  }
  cpSync(join(root, 'Makefile'), join(folder, 'Makefile'))
  cpSync(join(root, 'scripts/heed-make.ts'), join(folder, 'scripts/heed-make.ts'))
  for (const name of ['package.json', 'package-lock.json']) {
    writeFileSync(join(folder, name), '{ "type": "module" }')
  }
  symlinkSync(join(root, 'node_modules/.bin'), join(folder, 'node_modules/.bin'))
  writeFileSync(join(folder, 'node_modules/.installed'), '')
  writeFileSync(join(folder, 'operator/local/main.ts'), program)
}

/** Starts `make run` in a process group of its own, and resolves when the program is up. */
async function startMake(
  ...make: string[]
): Promise<{ child: ChildProcess; output: () => string }> {
  const child = spawn('make', ['run', ...make], { cwd: folder, detached: true })
  running = child
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
  }
  while (!/^up \d+/m.test(text)) {
    if (child.exitCode !== null) throw new Error(`make ended early: ${text}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  programPid = Number(/^up (\d+)/m.exec(text)?.[1])
  return { child, output: () => text }
}

test('variables given to make reach no other program by the environment', () => {
  project(`console.log(JSON.stringify(process.env))`)
  const make = ['run', 'PORT=1234', 'DATA=./x', 'FILE=y.yaml', 'ARGS=--more', 'SEED=1', 'SEEDS=2']
  const { stdout } = spawnSync('make', make, { cwd: folder, encoding: 'utf8' })
  const environment = JSON.parse(stdout) as Record<string, string>
  expect(environment).not.toHaveProperty('PORT')
  expect(environment).not.toHaveProperty('MAKE_RUNNING')
  expect(environment.MAKEFLAGS).not.toMatch(/PORT|ARGS/)
  for (const name of ['DATA', 'FILE', 'ARGS', 'SEED', 'SEEDS']) {
    expect(environment).not.toHaveProperty(name)
  }
})

describe('make run', () => {
  test.each([
    ['SIGTERM', 'make alone'],
    ['SIGINT', 'make alone'],
    ['SIGTERM', 'the process group'],
    ['SIGINT', 'the process group'],
  ] as const)('%s to %s: the program drains, and make waits for it', async (signal, whom) => {
    project(PROGRAM)
    const { child, output } = await startMake()
    const pid = child.pid as number
    process.kill(whom === 'make alone' ? pid : -pid, signal)
    const [, endedBy] = await once(child, 'close')
    expect(output()).toContain(`draining on ${signal}`)
    // A second SIGINT would mean "at once" to many programs, so one must not become two.
    if (signal === 'SIGINT') expect(output()).toContain('drained after 1')
    expect(output()).toContain('drained after')
    expect(alive(programPid)).toBe(false)
    expect(endedBy).toBe(signal)
  })

  test('the variables reach the program, which is exec-ed: make is its parent', async () => {
    project(`console.log('parent ' + process.ppid)\n${PROGRAM}`)
    const { child, output } = await startMake('PORT=1234', 'DATA=./x', 'FILE=y.yaml', 'ARGS=--more')
    expect(output()).toMatch(/^up \d+ --port 1234 --data \.\/x --file y\.yaml --more$/m)
    expect(output()).toContain(`parent ${child.pid}\n`)
  })

  test('a file left behind by a killed run does not count as made', () => {
    project(`console.log('ran')`)
    const script = `mkdir -p .cache && touch -d 'next year' .cache/running-$$ && exec make run`
    const result = spawnSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' })
    expect(result.stdout).toContain('ran')
    expect(result.status).toBe(0)
  })

  test("the program's failure is make's, and nothing is left behind", () => {
    project(`process.exit(3)`)
    const result = spawnSync('make', ['run'], { cwd: folder, encoding: 'utf8' })
    expect(result.status).not.toBe(0)
    expect(spawnSync('ls', ['.cache'], { cwd: folder, encoding: 'utf8' }).stdout).toBe('')
  })

  test('an interrupt before the program listens ends it as usual', async () => {
    project(`console.log('up ' + process.pid); setInterval(() => {}, 1000)`)
    const { child } = await startMake()
    process.kill(child.pid as number, 'SIGINT')
    await once(child, 'close')
    expect(alive(programPid)).toBe(false)
  })
})

describe('words when something is missing', () => {
  test('npm', () => {
    project('')
    rmSync(join(folder, 'node_modules'), { recursive: true })
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    for (const name of ['make', 'sh', 'test', 'mkdir', 'touch']) {
      const path = spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim()
      if (existsSync(path)) symlinkSync(path, join(bin, name))
    }
    const make = (): string =>
      spawnSync('make', ['run'], { cwd: folder, env: { PATH: bin }, encoding: 'utf8' }).stderr
    expect(make()).toContain('node is missing: install Node.js')
    symlinkSync(process.execPath, join(bin, 'node'))
    expect(make()).toContain('npm is missing: install npm')
  })

  test('a program that is not there yet', () => {
    project('')
    const result = spawnSync('make', ['sim'], { cwd: folder, encoding: 'utf8' })
    expect(result.stderr).toContain('sim/main.ts is not in this checkout')
    expect(result.status).not.toBe(0)
  })
})

test('make alone lists every target', () => {
  const result = spawnSync('make', [], { cwd: root, encoding: 'utf8' })
  for (const target of ['run', 'demo', 'test', 'check', 'fix', 'sim', 'bench', 'help']) {
    expect(result.stdout).toMatch(new RegExp(`^  ${target} +\\w`, 'm'))
  }
})
