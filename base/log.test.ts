import { describe, expect, test } from '@jest/globals'
import { jsonLogger, type LogFields, type Logger, type LogLevel } from './log.ts'

function logger(level: LogLevel = 'debug', fields: LogFields = {}) {
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => {
    expect(line).not.toContain('\n')
    lines.push(JSON.parse(line) as Record<string, unknown>)
  }
  const made: Logger = jsonLogger({
    clock: { wallMs: () => 0 },
    level: { current: level },
    write,
    fields,
  })
  return { logger: made, lines }
}

describe('jsonLogger', () => {
  test('one JSON line per message, with time, level, message and fields', () => {
    const { logger: log, lines } = logger('debug', { node: 7 })
    log.with({ part: 'wal' }).warn('a sentence', { count: 2, none: undefined })
    expect(lines).toEqual([
      {
        time: '1970-01-01T00:00:00.000Z',
        level: 'warn',
        message: 'a sentence',
        node: 7,
        part: 'wal',
        count: 2,
      },
    ])
  })

  test('levels below its own are left out, also by what is made of it', () => {
    for (const [level, expected] of [
      ['debug', ['debug', 'info', 'warn', 'error']],
      ['warn', ['warn', 'error']],
      ['error', ['error']],
    ] as const) {
      const { logger: log, lines } = logger(level)
      const child = log.with({ a: 1 })
      for (const each of ['debug', 'info', 'warn', 'error'] as const) child[each]('x')
      expect(lines.map((line) => line['level'])).toEqual(expected)
    }
  })

  test('an error tells its code, its kind and what caused it', () => {
    const { logger: log, lines } = logger()
    const cause = Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' })
    const error = Object.assign(new Error('not written', { cause }), { kind: 'unknown' })
    log.error('it failed', { error })
    expect(lines[0]?.['error']).toEqual({
      message: 'not written',
      kind: 'unknown',
      cause: { message: 'no route', code: 'EHOSTUNREACH' },
    })
  })

  test('a broken invariant shows where it broke', () => {
    const { logger: log, lines } = logger()
    const error = Object.assign(new Error('must hold'), { name: 'InvariantError' })
    log.error('a bug', { error })
    expect(lines[0]).toMatchObject({ error: { stack: expect.stringContaining('log.test') } })
  })

  test('whatever is logged, logging throws nothing: it happens where errors are dealt with', () => {
    const { logger: log, lines } = logger()
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const endless = new Error('caused by itself')
    endless.cause = endless
    log.info('numbers', { count: 10n ** 20n })
    log.info('circle', { circle })
    log.info('errors', { endless })
    log.info('strange', { getter: { toJSON: () => JSON.parse('{') } })
    expect(lines.map((line) => line['message'])).toEqual(['numbers', 'circle', 'errors', 'strange'])
    expect(lines[0]?.['count']).toBe('100000000000000000000')
  })
})
