import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'

const stepsFile = join(import.meta.dirname, '../.ci/steps.sh')

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ci-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** A script like .ci/run with these steps; in it, waiting for what will not end is short. */
function script(steps: readonly string[]): string {
  const array = steps.map((step) => `'${step.replaceAll("'", `'\\''`)}'`).join('\n')
  return `cd '${folder}'; STEPS=(${array}); MINUTES_MAX=1
    source '${stepsFile}'; KILL_GRACE_SECONDS=1; run_steps`
}

function run(...steps: string[]): { code: number | null; output: string; last: string } {
  const result = spawnSync('bash', ['-c', script(steps)], { encoding: 'utf8' })
  const lines = result.stdout.trimEnd().split('\n')
  return { code: result.status, output: result.stdout, last: lines.at(-1) ?? '' }
}

const jest = (passed: number, failed: number, broken: number): string => {
  const result = {
    numPassedTests: passed,
    numFailedTests: failed,
    numRuntimeErrorTestSuites: broken,
  }
  return `echo '${JSON.stringify(result)}' > "$JEST_JSON"`
}

/** Whether the process runs. One that ended but that nobody has waited for yet does not. */
function alive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return /^[^Z\s]/.test(stdout)
}

test.each([
  [['a | 1 | next | true'], '1 passed, 0 failed', 0],
  [['a | 1 | next | true', 'b | 1 | next | false'], '1 passed, 1 failed', 1],
  [['a | 1 | next | true', 'b | 1 | next | kill -9 $$'], '1 passed, 1 failed', 1],
  [['a | 1 | next | true', 'b | 1 | sometimes | true'], '1 passed, 1 failed', 1],
  [['a | 1 | next | true', 'b | 1 | background | false'], '1 passed, 1 failed', 1],
  [['a | 1 | next | exit 77'], '0 passed, 0 failed', 1],
  [[], '0 passed, 0 failed', 1],
  [['a | 0 | next | sleep 60'], '0 passed, 1 failed', 1],
  // Tests count by themselves, suites that could not be loaded as one failure each.
  [[`a | 1 | next | ${jest(5, 0, 0)}`], '5 passed, 0 failed', 0],
  [[`a | 1 | next | ${jest(5, 2, 1)}; exit 1`], '5 passed, 3 failed', 1],
  // What failed or was killed counts as failed, whatever its tests say; so does "no tests".
  [[`a | 1 | next | ${jest(5, 0, 0)}; exit 1`], '5 passed, 1 failed', 1],
  [[`a | 0 | next | ${jest(5, 0, 0)}; sleep 60`], /^[05] passed, 1 failed$/, 1],
  [[`a | 1 | next | ${jest(0, 0, 0)}`], '0 passed, 1 failed', 1],
  [['a | 1 | next | echo "{" > "$JEST_JSON"; exit 1'], '0 passed, 1 failed', 1],
] as const)('steps %j: the last line is %s', (steps, last, code) => {
  const result = run(...steps)
  expect(result.last).toEqual(typeof last === 'string' ? last : expect.stringMatching(last))
  expect(result.code).toBe(code)
})

test('a step that fails is shown whole, one that passes by its end', () => {
  const { output } = run('good | 1 | next | seq 1000 1100', 'bad | 1 | next | seq 2000 2100; false')
  expect(output).toContain('\n1100\n')
  expect(output).not.toContain('\n1000\n')
  expect(output).toContain('\n2000\n')
  expect(output).toContain('\n2100\n')
})

test('what failed is said again at the end: tests with their reasons, other steps by their last lines', () => {
  const result = {
    numPassedTests: 1,
    numFailedTests: 1,
    numRuntimeErrorTestSuites: 1,
    testResults: [
      {
        name: 'a.test.ts',
        message: 'all of it',
        assertionResults: [
          { fullName: 'good one', status: 'passed', failureMessages: [] },
          {
            fullName: 'bad one',
            status: 'failed',
            failureMessages: ['\u001b[31mwhy\u001b[0m\nhow'],
          },
        ],
      },
      { name: 'b.test.ts', message: 'not to be loaded', assertionResults: [] },
    ],
  }
  writeFileSync(join(folder, 'result.json'), JSON.stringify(result))
  const { output } = run(
    'tests | 1 | next | cp result.json "$JEST_JSON"; exit 1',
    'plain | 1 | next | seq 100 200; false',
  )
  const end = output.slice(output.indexOf('── failures ──'), output.indexOf('── times ──'))
  const tests = ['tests:', '✗ bad one', '    why', '    how', '✗ b.test.ts', '    not to be loaded']
  const plain = ['plain:', ...[193, 194, 195, 196, 197, 198, 199, 200].map(String)]
  expect(end).toBe(`${['── failures ──', ...tests, ...plain].join('\n')}\n`)
})

test('a step that is joined starts after what runs in the background has ended', () => {
  run(
    'slow thing | 1 | background | sleep 1; echo slow >> order',
    'quick | 1 | next | echo quick >> order',
    'joined | 1 | joined | echo joined >> order',
  )
  expect(readFileSync(join(folder, 'order'), 'utf8')).toBe('quick\nslow\njoined\n')
})

test('what a step leaves running is ended, also in a session of its own, and named', () => {
  const { output, last } = run('a | 1 | next | setsid sleep 611 & echo $! > pid; sleep 0.2')
  expect(output).toContain('left running')
  expect(output).toContain('sleep 611')
  expect(last).toBe('1 passed, 0 failed')
  expect(alive(Number(readFileSync(join(folder, 'pid'), 'utf8')))).toBe(false)
})

test('interrupted, it ends all steps, deaf ones too, and still concludes', async () => {
  const deaf = (file: string): string => `trap "" TERM; echo $$ > ${file}; sleep 612; sleep 613`
  const steps = [`a | 1 | background | ${deaf('a')}`, `b | 1 | next | ${deaf('b')}`]
  const child = spawn('bash', ['-c', script(steps)], { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const files = [join(folder, 'a'), join(folder, 'b')]
  while (!files.every((file) => existsSync(file) && readFileSync(file, 'utf8') !== '')) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  child.kill('SIGTERM')
  const [code] = await once(child, 'close')
  expect(output).toMatch(/\n0 passed, 3 failed\n$/)
  expect(code).toBe(1)
  for (const file of files) expect(alive(Number(readFileSync(file, 'utf8')))).toBe(false)
})
