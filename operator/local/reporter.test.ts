import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ESC, withoutStyles } from './ansi.ts'
import { liveReporter, plainReporter, type TextOutput } from './reporter.ts'
import type { ViewModel } from './view.ts'

/** Escape sequences, and characters one by one. */
const PIECES = new RegExp(`${ESC}\\[[?\\d]*[A-Za-z]|[^${ESC}]`, 'gu')

/** As much of a terminal as the view uses: lines that wrap, a cursor, and clearing. */
class Terminal implements TextOutput {
  columns: number
  rows = 50
  writableNeedDrain = false
  lines: string[] = ['']
  row = 0
  column = 0
  cursorShown = true

  constructor(columns: number) {
    this.columns = columns
  }

  write(text: string): void {
    for (const [piece] of withoutStyles(text).matchAll(PIECES)) this.apply(piece)
  }

  private apply(piece: string): void {
    const line = this.lines[this.row] ?? ''
    if (piece === '\r') this.column = 0
    else if (piece === '\n') this.moveTo(this.row + 1)
    else if (piece === `${ESC}[K`) this.lines[this.row] = line.slice(0, this.column)
    else if (piece === `${ESC}[J`) {
      this.lines[this.row] = line.slice(0, this.column)
      this.lines.length = this.row + 1
    } else if (piece === `${ESC}[?25l`) this.cursorShown = false
    else if (piece === `${ESC}[?25h`) this.cursorShown = true
    else if (piece.startsWith(`${ESC}[?`)) return
    else if (piece.endsWith('A')) this.row -= Number(piece.slice(2, -1))
    else if (piece.startsWith(ESC)) throw new Error(`unknown ${JSON.stringify(piece)}`)
    else this.put(line, piece)
  }

  private put(line: string, character: string): void {
    if (this.column === this.columns) {
      this.moveTo(this.row + 1)
      this.put(this.lines[this.row] ?? '', character)
      return
    }
    this.lines[this.row] =
      line.slice(0, this.column).padEnd(this.column) + character + line.slice(this.column + 1)
    this.column += 1
  }

  private moveTo(row: number): void {
    this.row = row
    this.column = 0
    this.lines[row] ??= ''
  }

  /** Makes the terminal narrower or wider; long lines break, as most terminals do it. */
  resize(columns: number): void {
    this.columns = columns
    const before = this.lines.slice(0, this.row)
    const broken = before.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, 'g')) ?? [''])
    this.lines = [...broken, ...this.lines.slice(this.row)]
    this.row = broken.length
  }
}

function modelOf(up: number): ViewModel {
  return {
    name: 'dev',
    bootstrap: '127.0.0.1:9092',
    store: '/data',
    nowMs: up * 1000,
    startedAtMs: 0,
    members: [],
    desired: 1,
    bounds: { min: 1, max: 4 },
    why: 'network 1 MB/s per broker, target 40 MB/s',
    scaleEvents: [],
    moves: { count: 0, lastMs: null },
    notes: ['a note'],
  }
}

const timeOfDay = (): string => '12:00:00'

describe('the live view', () => {
  test('stands once, below every change, whatever happens in between', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('change' as const), value: fc.nat(1000) }),
      fc.record({ kind: fc.constant('draw' as const), value: fc.nat(10_000) }),
    )
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 20, max: 120 }),
        (steps, columns) => {
          const terminal = new Terminal(columns)
          const reporter = liveReporter({ output: terminal, timeOfDay, color: false })
          const changes: string[] = []
          for (const { kind, value } of steps) {
            if (kind === 'draw') reporter.draw(modelOf(value))
            else {
              changes.push(`12:00:00  n${value}`)
              reporter.change(`n${value}`)
            }
          }
          reporter.draw(modelOf(7))
          const { lines } = terminal
          expect(lines.slice(0, changes.length)).toEqual(changes)
          expect(lines[changes.length]?.startsWith('dev')).toBe(true)
          expect(lines.filter((line) => line.startsWith('dev'))).toHaveLength(1)
          expect(lines.at(-2)).toBe('a note')
          expect(terminal.cursorShown).toBe(false)
        },
      ),
    )
  })

  test.each([
    [100, 40],
    [40, 100],
    [80, 25],
  ])('leaves nothing of itself behind when the width goes from %d to %d', (from, to) => {
    const terminal = new Terminal(from)
    const reporter = liveReporter({ output: terminal, timeOfDay, color: false })
    reporter.draw(modelOf(1))
    terminal.resize(to)
    reporter.draw(modelOf(1))
    expect(terminal.lines.filter((line) => line.startsWith('dev'))).toHaveLength(1)
    expect(terminal.lines.filter((line) => line === 'a note')).toHaveLength(1)
  })

  test('goes, and gives the cursor back; what happened remains', () => {
    const terminal = new Terminal(80)
    const reporter = liveReporter({ output: terminal, timeOfDay, color: true })
    reporter.ready('ready 127.0.0.1:9092')
    reporter.draw({ ...modelOf(1), why: '' })
    reporter.close()
    reporter.close()
    expect(terminal.lines).toEqual(['ready 127.0.0.1:9092', ''])
    expect(terminal.cursorShown).toBe(true)
  })
})

describe('the plain output', () => {
  test('has the ready line alone on standard output, and totals every 10 s elsewhere', () => {
    const [output, notes] = [new Terminal(200), new Terminal(200)]
    const reporter = plainReporter({ output, notes, timeOfDay })
    reporter.ready('ready 127.0.0.1:9092')
    reporter.change('node 1 serves')
    for (let up = 0; up <= 25; up++) reporter.draw(modelOf(up))
    expect(output.lines).toEqual(['ready 127.0.0.1:9092', ''])
    const summary =
      '12:00:00  0 of 1 brokers serve, in 0 B/s, out 0 B/s, 0 requests/s, 0 partitions, ' +
      '0 moves, a note'
    expect(notes.lines).toEqual(['12:00:00  node 1 serves', summary, summary, ''])
  })

  test('tells how many partitions have moved, and how long the last one took', () => {
    const [output, notes] = [new Terminal(300), new Terminal(300)]
    const reporter = plainReporter({ output, notes, timeOfDay })
    reporter.draw(modelOf(0))
    reporter.draw({ ...modelOf(10), moves: { count: 6, lastMs: 41.3 } })
    expect(notes.lines[0]).toContain(', 6 moves (the last took 41 ms), ')
  })
})
