import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { OBEYED } from './broker-config.ts'
import { EFFECTS, effectOf } from './broker-config-effects.ts'
import { BROKER_CONFIGS } from './broker-config-table.ts'

test('of every config of a broker it is known what it does, and every row is of some config', () => {
  const used = new Set<string>()
  for (const name of BROKER_CONFIGS.keys()) {
    const { documentation } = effectOf(name)
    expect([name, documentation]).not.toEqual([name, 'Not known to this broker.'])
    used.add(documentation)
  }
  for (const { names, documentation } of EFFECTS) {
    expect([names, used.has(documentation) || names.includes('throttled')]).toEqual([names, true])
  }
  for (const name of Object.keys(OBEYED)) expect(BROKER_CONFIGS.has(name)).toBe(true)
})

test('a listener has the effect of what it has for itself; a name that nobody knows has none', () => {
  expect(effectOf('listener.name.external.ssl.keystore.location').documentation).toMatch(/let in/)
  expect(effectOf('constructor')).toEqual({
    effect: 'none',
    documentation: 'Not known to this broker.',
  })
})

test('the documents say the same', () => {
  const path = join(import.meta.dirname, '../../docs/configs.md')
  const rows = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => /^\| (obeyed|stored|none|refused) /.test(line))
  const expected = EFFECTS.map(({ names, effect, documentation }) => {
    const quoted = names.split(' ').map((name) => `\`${name}\``)
    return `| ${effect} | ${quoted.join(' ')} | ${documentation} |`
  })
  expect(rows).toEqual(expected)
})
