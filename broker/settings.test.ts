import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type BrokerSettings, brokerSettings } from './settings.ts'

function settingsOf(variables: Readonly<Record<string, string>>): BrokerSettings {
  const env: Record<string, string> = { STREAMCLUSTER_STORE: 'file:///data' }
  for (const [name, value] of Object.entries(variables)) env[`STREAMCLUSTER_${name}`] = value
  return brokerSettings(env)
}

/** The variables in the architecture's table, which is what people read. */
function documented(): string[] {
  const text = readFileSync(resolve(import.meta.dirname, '../docs/architecture.md'), 'utf8')
  const rows = text.split('\n').filter((line) => line.startsWith('| `STREAMCLUSTER_'))
  return rows.flatMap((row) => {
    const [whole = '', ...others] = [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(
      (match) => match[1] ?? '',
    )
    // `…_COLD_CACHE_BYTES` beside STREAMCLUSTER_TAIL_CACHE_BYTES.
    return [whole, ...others.map((other) => other.replace('…', 'STREAMCLUSTER'))]
  })
}

describe('brokerSettings', () => {
  test('needs a store, and says how to name one', () => {
    for (const env of [{}, { STREAMCLUSTER_STORE: '' }]) {
      expect(() => brokerSettings(env)).toThrow(/STREAMCLUSTER_STORE.*file:\/\/.*s3:\/\//)
    }
  })

  test('a variable that is set to nothing is as one that is not set', () => {
    const empty = Object.fromEntries(
      documented()
        .filter((name) => name !== 'STREAMCLUSTER_STORE')
        .map((name) => [name.replace('STREAMCLUSTER_', ''), '']),
    )
    expect(Object.keys(empty).length).toBeGreaterThan(12)
    expect(settingsOf(empty)).toEqual(settingsOf({}))
  })

  test('every documented variable is read, and so spelled in the same way', () => {
    const read = new Set<string>()
    const env = new Proxy<Record<string, string>>(
      { STREAMCLUSTER_STORE: 'file:///data' },
      {
        get: (target, name) => {
          read.add(String(name))
          return target[String(name)]
        },
      },
    )
    brokerSettings(env)
    expect([...read].sort()).toEqual(documented().sort())
  })

  test.each([
    ['127.0.0.1:9092', { host: '127.0.0.1', port: 9092 }],
    [':9092', { host: '0.0.0.0', port: 9092 }],
    ['broker-1.example:0', { host: 'broker-1.example', port: 0 }],
    ['[::1]:9092', { host: '::1', port: 9092 }],
    ['[::]:65535', { host: '::', port: 65_535 }],
  ])('%s is an address', (text, expected) => {
    const settings = settingsOf({ LISTEN: text, ADVERTISED: text, ADMIN_LISTEN: text })
    const [listener] = settings.listeners
    expect(settings.listeners).toHaveLength(1)
    expect([listener?.listen, listener?.advertised]).toEqual([expected, expected])
    expect(settings.adminListen).toEqual(expected)
  })

  test.each(['9092', 'host', 'host:', 'host:port', 'host:65536', '::1:9092', 'a:1:2', 'host:-1'])(
    '%s is none',
    (text) => {
      for (const name of ['LISTEN', 'ADVERTISED', 'ADMIN_LISTEN']) {
        expect(() => settingsOf({ [name]: text })).toThrow(`STREAMCLUSTER_${name}='${text}'`)
      }
    },
  )

  test.each([
    'WAL_LINGER_MS_MAX',
    'WAL_OBJECT_BYTES',
    'WAL_PUTS_IN_FLIGHT_MAX',
    'BACKLOG_BYTES_MAX',
    'UNSENT_BYTES_MAX',
    'TLS_POLL_MS',
    'TAIL_CACHE_BYTES',
    'COLD_CACHE_BYTES',
    'STALE_MS_MAX',
    'METADATA_POLL_MS',
    'DRAIN_MS_MAX',
  ])('%s is a whole number that counts, or is refused by its name', (name) => {
    expect(JSON.stringify(settingsOf({ [name]: '12345' }))).toContain('12345')
    for (const text of ['-1', '1.5', '1e3', ' 5', '10MB', '0x10', '9'.repeat(20)]) {
      expect(() => settingsOf({ [name]: text })).toThrow(`STREAMCLUSTER_${name}='${text}'`)
    }
  })

  test('the least linger is a whole number, and no more than the longest', () => {
    const { wal } = settingsOf({ WAL_LINGER_MS_MIN: '100' }).node
    expect([wal.lingerMsMin, wal.lingerMsMax]).toEqual([100, 250])
    expect(() => settingsOf({ WAL_LINGER_MS_MIN: '251' })).toThrow(
      "STREAMCLUSTER_WAL_LINGER_MS_MIN='251'",
    )
    expect(() => settingsOf({ WAL_LINGER_MS_MIN: 'x' })).toThrow(
      "STREAMCLUSTER_WAL_LINGER_MS_MIN='x'",
    )
  })

  test.each([
    'WAL_OBJECT_BYTES',
    'WAL_PUTS_IN_FLIGHT_MAX',
    'BACKLOG_BYTES_MAX',
    'UNSENT_BYTES_MAX',
    'TLS_POLL_MS',
    'METADATA_POLL_MS',
    'STALE_MS_MAX',
  ])('%s cannot be 0: the broker would stand still or spin', (name) => {
    expect(() => settingsOf({ [name]: '0' })).toThrow('above 0')
  })

  test('Kafka configs are a JSON object; their values are text, whatever they are written as', () => {
    const config = '{"num.partitions": 3, "auto.create.topics.enable": false, "a": "b"}'
    expect(settingsOf({ CONFIG: config }).config).toEqual({
      'num.partitions': '3',
      'auto.create.topics.enable': 'false',
      a: 'b',
    })
    for (const bad of ['[]', '5', 'null', '{', 'num.partitions=3']) {
      expect(() => settingsOf({ CONFIG: bad })).toThrow('STREAMCLUSTER_CONFIG')
    }
  })

  test('an unknown log level is refused', () => {
    expect(settingsOf({ LOG_LEVEL: 'debug' }).logLevel).toBe('debug')
    expect(() => settingsOf({ LOG_LEVEL: 'verbose' })).toThrow('STREAMCLUSTER_LOG_LEVEL')
  })

  test('records are looked at as deep as one of three words says', () => {
    for (const depth of ['headers', 'uncompressed', 'full'] as const) {
      expect(settingsOf({ RECORD_VALIDATION: depth }).recordValidation).toBe(depth)
    }
    expect(() => settingsOf({ RECORD_VALIDATION: 'deep' })).toThrow(
      /RECORD_VALIDATION='deep'.*full/,
    )
  })
})
