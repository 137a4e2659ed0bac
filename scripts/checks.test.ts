import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { checkGlobals } from './check-globals.ts'
import { checkImports } from './check-imports.ts'
import { checkPackages, checkWords } from './check-repository.ts'
import { checkSizes } from './check-sizes.ts'
import { type Finding, parseSource } from './check-source.ts'

const root = join(import.meta.dirname, '..')

/** `path:line message` of each finding. */
function texts(findings: readonly Finding[]): string[] {
  return findings.map(({ path, line, message }) => `${path}:${line} ${message}`)
}

function sources(files: Record<string, string>): ReturnType<typeof parseSource>[] {
  return Object.entries(files).map(([path, text]) => parseSource({ path, text }))
}

describe('imports', () => {
  function refused(
    from: string,
    to: string,
    form = (path: string) => `import '${path}'`,
  ): string[] {
    const up = '../'.repeat(from.split('/').length - 1)
    return texts(checkImports(sources({ [from]: form(`${up}${to}`) }), new Set(['yaml'])))
  }

  test.each([
    ['base/clock.ts', 'object-store/store.ts'],
    ['object-store/s3.ts', 'metadata/log.ts'],
    ['metadata/log.ts', 'controller/planner.ts'],
    ['controller/planner.ts', 'broker/wal/writer.ts'],
    ['broker/wal/writer.ts', 'operator/api/quantity.ts'],
    ['operator/kube/watch.ts', 'sim/node.ts'],
    ['bench/produce.ts', 'sim/node.ts'],
    ['base/clock.test.ts', 'object-store/store.ts'],
    ['broker/protocol/codec.ts', 'object-store/store.ts'],
    ['broker/protocol/codec.ts', 'broker/wal/writer.ts'],
    ['broker/wal/writer.ts', 'broker/handlers/produce.ts'],
    ['broker/segment/roll.ts', 'broker/server/socket.ts'],
    ['broker/partition/partition.ts', 'broker/handlers/produce.ts'],
    ['broker/handlers/produce.ts', 'broker/server/socket.ts'],
    ['broker/server/socket.ts', 'broker/worker.ts'],
    ['broker/worker.ts', 'broker/main.ts'],
    ['broker/wal/writer.ts', 'base/testing/virtual-clock.ts'],
    ['broker/wal/writer.ts', 'elsewhere/code.ts'],
  ])('%s may not import %s', (from, to) => {
    expect(refused(from, to)).toHaveLength(1)
    expect(refused(from, to)[0]).toContain(`${from}:1 imports ${to}`)
  })

  test.each([
    ['broker/wal/writer.ts', 'base/clock.ts'],
    ['broker/protocol/codec.ts', 'base/assert.ts'],
    ['broker/handlers/produce.ts', 'broker/partition/partition.ts'],
    ['broker/main.ts', 'broker/worker.ts'],
    ['operator/local/main.ts', 'broker/main.ts'],
    ['sim/node.ts', 'operator/local/hpa.ts'],
    ['broker/wal/writer.test.ts', 'broker/handlers/produce.ts'],
    ['broker/wal/writer.test.ts', 'base/testing/virtual-clock.ts'],
    ['scripts/generate.ts', 'sim/node.ts'],
  ])('%s may import %s', (from, to) => {
    expect(refused(from, to)).toEqual([])
  })

  test.each([
    (path: string) => `import type { A } from '${path}'`,
    (path: string) => `export { a } from '${path}'`,
    (path: string) => `export * from '${path}'`,
    (path: string) => `const a = await import('${path}')`,
    (path: string) => `let a: import('${path}').A`,
  ])('every form of import counts: %s', (form) => {
    expect(refused('base/clock.ts', 'broker/wal/writer.ts', form)).toHaveLength(1)
  })

  test('a cycle is found, also through types, and named whole', () => {
    const files = {
      'base/a.ts': `import './b.ts'`,
      'base/b.ts': `import type { C } from './c.ts'`,
      'base/c.ts': `export { a } from './a.ts'`,
      'base/d.ts': `import './a.ts'`,
    }
    expect(texts(checkImports(sources(files), new Set()))).toEqual([
      'base/a.ts:0 cycle: base/a.ts → base/b.ts → base/c.ts → base/a.ts',
    ])
  })

  test('production code imports no package that is for development only; tools and tests may', () => {
    const text = `import { Kafka } from 'kafkajs'\nimport 'node:fs'\nimport 'yaml'`
    const files = { 'broker/a.ts': text, 'broker/a.test.ts': text, 'bench/a.ts': text }
    expect(texts(checkImports(sources(files), new Set(['yaml'])))).toEqual([
      'broker/a.ts:1 imports kafkajs, which package.json does not list under dependencies',
    ])
  })

  test('a new top-level folder needs a place', () => {
    expect(texts(checkImports(sources({ 'lib/a.ts': '' }), new Set()))[0]).toContain('in no layer')
  })
})

describe('globals', () => {
  const time = [
    'Date.now()',
    'new Date()',
    'Date()',
    'performance.now()',
    'process.hrtime.bigint()',
  ]
  const timers = ['setTimeout(f, 1)', 'setInterval(f, 1)', 'setImmediate(f)']
  timers.push('globalThis.setTimeout(f, 1)', 'AbortSignal.timeout(1)')
  const random = ['Math.random()', 'crypto.randomUUID()', 'crypto.getRandomValues(a)']

  test.each([...time, ...timers].map((code) => [code, 'base/clock.ts']))(
    '%s → %s',
    (code, instead) => {
      const found = texts(checkGlobals(sources({ 'broker/wal/a.ts': `\nconst a = ${code}` })))
      expect(found).toHaveLength(1)
      expect(found[0]).toMatch(/^broker\/wal\/a\.ts:2 .* is not allowed here: /)
      expect(found[0]).toContain(instead)
    },
  )

  test.each(random)('%s → base/random.ts', (code) => {
    const found = texts(checkGlobals(sources({ 'controller/a.ts': `const a = ${code}` })))
    expect(found).toEqual([expect.stringContaining('base/random.ts')])
  })

  test.each([
    [`import { randomBytes } from 'node:crypto'`, 'base/random.ts'],
    [`import { setTimeout as sleep } from 'node:timers/promises'`, 'base/clock.ts'],
  ])('%s → %s', (code, instead) => {
    const found = texts(checkGlobals(sources({ 'metadata/a.ts': code }))).join('\n')
    expect(found).toContain(instead)
  })

  test('only where one seed must decide everything', () => {
    const text = [...time, ...timers, ...random].join('\n')
    const allowed = ['base/clock.ts', 'broker/wal/a.test.ts', 'broker/testing/a.ts', 'bench/a.ts']
    for (const path of [...allowed, 'operator/local/main.ts', 'scripts/a.ts', 'sim/testing/a.ts']) {
      expect(checkGlobals(sources({ [path]: text }))).toEqual([])
    }
    const held = ['object-store/a.ts', 'metadata/a.ts', 'controller/a.ts', 'broker/a.ts']
    for (const path of [...held, 'operator/kube/a.ts', 'sim/node.ts']) {
      expect(checkGlobals(sources({ [path]: text }))).not.toEqual([])
    }
  })

  test('properties and types of the same name are something else', () => {
    const text = `
      clock.setTimeout(f)
      const options = { setTimeout: 1, now: clock.now() }
      interface Timers { setTimeout: number; setInterval(): void }
      const shown = new Date(clock.wallMs()).toISOString()
      const { utilization } = performance.eventLoopUtilization()
      class Clock { setTimeout(): void {} }
      const { createHash } = await import('node:crypto')`
    expect(texts(checkGlobals(sources({ 'broker/a.ts': text })))).toEqual([])
  })
})

describe('sizes', () => {
  const lines = (count: number): string => '  f()\n'.repeat(count)

  test.each([
    (body: string) => `function long(): void {\n${body}}`,
    (body: string) => `const long = async () => {\n${body}}`,
    (body: string) => `class A { long(): void {\n${body}} }`,
    (body: string) => `class A { #long(): void {\n${body}} }`,
    (body: string) => `class A { long = () => {\n${body}} }`,
    (body: string) => `const a = { long() {\n${body}} }`,
    (body: string) => `const a = { long: () => {\n${body}} }`,
  ])('70 lines are allowed, 71 are not: %s', (form) => {
    expect(checkSizes(sources({ 'base/a.ts': `/* é */\n${form(lines(68))}` })).findings).toEqual([])
    expect(
      texts(checkSizes(sources({ 'base/a.ts': `/* é */\n${form(lines(69))}` })).findings),
    ).toEqual([expect.stringMatching(/^base\/a\.ts:2 #?long has 71 lines; the most is 70$/)])
  })

  test("callbacks of tests are exempt, a test's own functions are not", () => {
    const callback = `(() => {\n${lines(80)}})`.slice(1, -1)
    const files = {
      'base/a.test.ts': `describe('a', ${callback})\ntest.each([1])('b', ${callback})`,
      'base/b.test.ts': `function helper() {\n${lines(80)}}`,
      'base/c.ts': `test('a', ${callback})`,
    }
    const found = texts(checkSizes(sources(files)).findings)
    expect(found.map((text) => text.split(':')[0])).toEqual(['base/b.test.ts', 'base/c.ts'])
  })

  test('600 lines in a file are allowed, 601 are not, and above 400 it is named', () => {
    const { findings, notes } = checkSizes(
      sources({
        'base/a.ts': 'f()\n'.repeat(400),
        'base/b.ts': 'f()\n'.repeat(600),
        'base/c.ts': 'f()\n'.repeat(601),
      }),
    )
    expect(texts(findings)).toEqual(['base/c.ts:0 601 lines; the most is 600'])
    expect(notes).toEqual(['base/b.ts has 600 lines'])
  })
})

// Put together from pieces, because this file is held to the same rule.
const machinePath = ['', 'work', 'main'].join('/')
const registry = ['registry', 'npmjs', 'org'].join('.')

describe('words', () => {
  test.each([
    machinePath,
    ['', 'root', '.npmrc'].join('/'),
    ['', 'home', 'somebody', 'x'].join('/'),
    ['..', 'shared', 'design.md'].join('/'),
    `https://${registry}/yaml`,
    ['proxy', 'golang', 'org'].join('.'),
  ])('%s is found', (word) => {
    const found = texts(checkWords([{ path: 'docs/a.md', text: `one\ntwo '${word}'\n` }]))
    expect(found).toEqual([expect.stringMatching(/^docs\/a\.md:2 /)])
  })

  test.each(['docs/work/a.md', './work/', 'docs/**/work/a.md', 'src/home/x/y', './shared/a.md'])(
    '%s is no such word',
    (word) => {
      expect(checkWords([{ path: 'a.md', text: word }])).toEqual([])
    },
  )
})

describe('packages', () => {
  const manifest = { dependencies: { yaml: '2.9.1' }, devDependencies: { jest: '30.5.2' } }
  const check = (changed: object, locked: object, others = {}): string[] =>
    texts(
      checkPackages(
        JSON.stringify(changed),
        JSON.stringify({ packages: { '': locked, ...others } }),
      ),
    )

  test('exact versions, the same in both files, pass', () => {
    expect(check(manifest, manifest)).toEqual([])
  })

  test.each(['^2.9.1', '~2.9.1', '2.x', 'latest', '*'])('%s is no exact version', (yaml) => {
    const changed = { ...manifest, dependencies: { yaml } }
    expect(check(changed, changed)).toEqual([expect.stringContaining('not one exact version')])
  })

  test('a lock file out of step is found, whichever side lacks something', () => {
    const { devDependencies } = manifest
    expect(check(manifest, { ...manifest, dependencies: { yaml: '2.9.0' } })).toHaveLength(1)
    expect(check(manifest, { devDependencies })).toHaveLength(1)
    expect(check({ devDependencies }, manifest)).toHaveLength(1)
  })

  test('a lock file that names where to load from is found', () => {
    const others = { 'node_modules/yaml': { resolved: `https://${registry}/yaml.tgz` } }
    expect(check(manifest, manifest, others)).toEqual([
      expect.stringContaining("'resolved' is set"),
    ])
  })
})

describe('make check as a whole', () => {
  const folders: string[] = []
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })

  function runCheck(files: Record<string, string>): { code: number | null; output: string } {
    const folder = mkdtempSync(join(tmpdir(), 'checks-'))
    folders.push(folder)
    for (const name of ['biome.json', 'knip.json', '.gitignore']) {
      cpSync(join(root, name), join(folder, name))
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const tsconfig = readFileSync(join(root, 'tsconfig.json'), 'utf8')
    const all = {
      'package.json': '{\n  "name": "fixture",\n  "type": "module"\n}\n',
      'package-lock.json': '{ "packages": {} }',
      'tsconfig.json': tsconfig.replace(/"include": \[[^\]]*\]/, '"include": ["*/*.ts"]'),
      'broker/main.ts': `import { answer } from '../base/answer.ts'\n\nconsole.log(answer)\n`,
      'base/answer.ts': 'export const answer = 42\n',
      ...files,
    }
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    spawnSync('git', ['init', '-q'], { cwd: folder })
    const check = join(root, 'scripts/check.ts')
    const result = spawnSync(process.execPath, [check], { cwd: folder, encoding: 'utf8' })
    return { code: result.status, output: result.stdout + result.stderr }
  }

  /** The block of one rule, without its heading; empty when the rule holds. */
  function block(output: string, rule: string): string {
    return new RegExp(`^── ${rule} ──\\n((?:  .*\\n)*)`, 'm').exec(output)?.[1] ?? ''
  }

  test('a clean project passes, and one line says so', () => {
    const { code, output } = runCheck({})
    expect(output).toMatch(/^check: all 9 rules hold in \d+ files \(.*\), [\d.]+ s\n$/)
    expect(code).toBe(0)
  })

  test('every broken rule has its block, and the last line names them all', () => {
    const { code, output } = runCheck({
      'package.json':
        '{ "name": "fixture", "type": "module", "dependencies": { "yaml": "^2.9.1" } }\n',
      'broker/main.ts': `import type { Planted } from '../base/planted.ts'

export function use(planted: Planted): void {
  load()
  planted.first!.value = setTimeout as any
}

async function load(): Promise<void> {}
`,
      'base/planted.ts': `import { upwards } from '../broker/main.ts'
export interface Planted { first?: { value: unknown } }
export const wrong: number = "text"
upwards()
`,
      'metadata/nobody.ts': `export const path = '${machinePath}'\n${'// long\n'.repeat(600)}`,
    })
    expect(block(output, 'types')).toMatch(/base\/planted\.ts.*TS2322/)
    expect(block(output, 'format')).toContain('base/planted.ts')
    expect(block(output, 'lint')).toContain('noExplicitAny')
    expect(block(output, 'lint')).toContain('noNonNullAssertion')
    expect(block(output, 'lint')).toContain('noFloatingPromises')
    expect(block(output, 'unused')).toContain('metadata/nobody.ts')
    expect(block(output, 'unused')).toMatch(/wrong.*base\/planted\.ts/)
    expect(block(output, 'imports')).toContain('base/planted.ts:1  imports broker/main.ts')
    expect(block(output, 'globals')).toContain('broker/main.ts:5  setTimeout')
    expect(block(output, 'sizes')).toContain('metadata/nobody.ts  601 lines')
    expect(block(output, 'words')).toContain('metadata/nobody.ts:1')
    expect(block(output, 'packages')).toContain("yaml: '^2.9.1' is not one exact version")
    expect(output).toMatch(/\ncheck: 9 of 9 rules broken \(.*\), [\d.]+ s\n$/)
    expect(code).toBe(1)
  })
})
