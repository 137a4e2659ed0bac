import { afterAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorOfLogLine, errorOfPlainText, LineSplitter, LogTail, pruneLogs } from './broker-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'broker-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the error in a log line', () => {
  test.each([
    ['an error alone', { level: 'error', message: 'no' }, 'no'],
    [
      'with its causes',
      {
        level: 'error',
        message: 'cannot start',
        error: { message: 'no bucket', cause: { message: '404' } },
      },
      'cannot start: no bucket: 404',
    ],
    [
      'a message that is repeated',
      { level: 'error', message: 'no', error: { message: 'no' } },
      'no',
    ],
    ['a text for an error', { level: 'error', message: 'no', error: 'really' }, 'no: really'],
    ['several lines', { level: 'error', message: 'a\n  b' }, 'a b'],
    ['an information', { level: 'info', message: 'fine' }, null],
  ])('%s', (_, entry, expected) => {
    expect(errorOfLogLine(JSON.stringify(entry))).toBe(expected)
  })

  test.each(['', 'text', '{', '{"level":', '[]', '{"level":"error"'])('%p holds none', (line) => {
    expect(errorOfLogLine(line)).toBeNull()
  })

  test('what Node prints of an exception is found', () => {
    const lines = [
      'file:///a.ts:3',
      "throw new Error('x')",
      '      ^',
      '',
      'TypeError: no such thing',
      '    at main (a.ts:3)',
      '',
      'Node.js v26',
    ]
    expect(errorOfPlainText(lines)).toBe('TypeError: no such thing')
    expect(errorOfPlainText(['warning: something', 'done'])).toBeNull()
  })
})

describe('lines', () => {
  test('are the same however the bytes are cut', () => {
    const cuts = fc.array(fc.nat(200), { maxLength: 20 })
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 20 }),
        cuts,
        (texts, at) => {
          const lines = texts.map((text) => text.replaceAll('\n', ''))
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
          const splitter = new LineSplitter()
          const found: string[] = []
          let start = 0
          for (const end of [...at.sort((a, b) => a - b), bytes.length]) {
            // The buffer is used again, as a reader would.
            const piece = Buffer.from(bytes.subarray(start, Math.max(start, end)))
            found.push(...splitter.push(piece))
            piece.fill(0)
            start = Math.max(start, end)
          }
          expect(found).toEqual(lines)
        },
      ),
    )
  })

  test('that never end are skipped, and the next ones are found', () => {
    const splitter = new LineSplitter()
    for (let i = 0; i < 100; i++) expect(splitter.push(Buffer.alloc(4096, 'x'))).toEqual([])
    expect(splitter.push(Buffer.from('end\nnext\n'))).toEqual(['next'])
  })

  test('of a file are read as they are written, each once', () => {
    const path = join(folder, 'tail.log')
    writeFileSync(path, 'first\nsec')
    const tail = new LogTail(path)
    expect(tail.read()).toEqual(['first'])
    appendFileSync(path, 'ond\nthird\n')
    expect(tail.read()).toEqual(['second', 'third'])
    expect(tail.read()).toEqual([])
    tail.close()
  })
})

test('of very many logs the newest are kept', () => {
  const logs = join(folder, 'logs')
  mkdirSync(logs)
  for (let i = 0; i < 210; i++) {
    writeFileSync(join(logs, `node-${i}.log`), '')
    utimesSync(join(logs, `node-${i}.log`), 1000 + i, 1000 + i)
  }
  writeFileSync(join(logs, 'notes.txt'), '')
  pruneLogs(logs)
  const left = readdirSync(logs)
  expect(left).toHaveLength(201)
  expect(left).not.toContain('node-9.log')
  expect(left).toContain('node-10.log')
  pruneLogs(join(folder, 'nowhere'))
})
