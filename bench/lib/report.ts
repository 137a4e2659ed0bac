import type { FigureResult } from './figure.ts'
import type { Spread } from './statistics.ts'

/** A number with `digits` behind the point. */
export function fixed(value: number, digits = 1): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

/** The median, with the extremes behind it. */
export function spreadText(spread: Spread, digits = 1): string {
  const { median, min, max } = spread
  return `${fixed(median, digits)} (${fixed(min, digits)}–${fixed(max, digits)})`
}

/** Columns side by side, each as wide as its widest cell; the first row is the head. */
export function renderTable(table: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of table) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    }
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const [head = [], ...rows] = table
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  return [line(head), rule, ...rows.map(line)].join('\n')
}

/** One figure as people read it. */
export function renderFigure(name: string, result: FigureResult): string {
  const verdicts = result.verdicts.map(({ goal, reached }) => `${reached ? '✓' : '✗'} ${goal}`)
  const notes = result.notes.map((note) => `· ${note}`)
  const rest = [...notes, ...verdicts].join('\n')
  return `${name}: ${result.title}\n\n${renderTable(result.table)}\n\n${rest}\n`
}
