import { ESC, visibleLength } from './ansi.ts'
import { renderView, summaryLine, type ViewModel } from './view.ts'

/** Shows a run to people. Whoever runs the cluster tells it everything; it decides what to show. */
export interface Reporter {
  /** Something happened, in one line. */
  change(line: string): void
  /** The line that scripts wait for. On standard output, exactly as given. */
  ready(line: string): void
  /** How things are now; called often. */
  draw(model: ViewModel): void
  /** Shows nothing more, and leaves the terminal as it was. */
  close(): void
}

/** What a reporter needs of a terminal or a pipe; `process.stdout` is one. */
export interface TextOutput {
  readonly columns?: number
  readonly rows?: number
  readonly writableNeedDrain: boolean
  write(text: string): unknown
}

export interface ReporterOptions {
  readonly output: TextOutput
  /** The local time of day, such as 14:03:59. */
  readonly timeOfDay: () => string
}

const SUMMARY_MS = 10_000

/**
 * For pipes and logs: one line per change, and the totals every 10 s. All but the ready line goes
 * to `notes` (standard error), so that standard output holds nothing else.
 */
export function plainReporter(options: ReporterOptions & { readonly notes: TextOutput }): Reporter {
  const { output, notes, timeOfDay } = options
  let summaryAtMs: number | null = null
  return {
    change: (line) => void notes.write(`${timeOfDay()}  ${line}\n`),
    ready: (line) => void output.write(`${line}\n`),
    draw(model) {
      summaryAtMs ??= model.nowMs
      if (model.nowMs - summaryAtMs < SUMMARY_MS) return
      summaryAtMs = model.nowMs
      notes.write(`${timeOfDay()}  ${summaryLine(model)}\n`)
    },
    close() {},
  }
}

const HIDE_CURSOR = `${ESC}[?25l`
const SHOW_CURSOR = `${ESC}[?25h`
const CLEAR_LINE_END = `${ESC}[K`
const CLEAR_BELOW = `${ESC}[J`
/** Between these two, terminals that know them show nothing half-drawn; others ignore them. */
const BEGIN_FRAME = `${ESC}[?2026h`
const END_FRAME = `${ESC}[?2026l`
const COLUMNS_DEFAULT = 80
const ROWS_DEFAULT = 24
/** Below this, nothing useful can be shown, whatever the terminal says. */
const COLUMNS_MIN = 20
const ROWS_MIN = 6

/**
 * For terminals: changes scroll by, and below them stands the view, drawn over in place. It does
 * not take over the screen, so that what was there before, and what happened, remain.
 */
export function liveReporter(options: ReporterOptions & { readonly color: boolean }): Reporter {
  const { output, timeOfDay, color } = options
  let shown: readonly string[] = []
  let shownColumns = 0
  let closed = false
  output.write(HIDE_CURSOR)

  /** Moves to the first line of the view. A terminal that got narrower has wrapped its lines. */
  function toTop(): string {
    const columns = sizeOf(output).columns
    let height = 0
    for (const line of shown) height += Math.max(1, Math.ceil(visibleLength(line) / columns))
    return height === 0 ? '\r' : `${ESC}[${height}A\r`
  }

  function paint(lines: readonly string[], above: string): void {
    const { columns } = sizeOf(output)
    const top = toTop()
    // After a change of width, remains of the old view may stand anywhere below.
    const wipe = columns === shownColumns && above === '' ? '' : CLEAR_BELOW
    const body = lines.map((line) => `${line}${CLEAR_LINE_END}\n`).join('')
    output.write(`${BEGIN_FRAME}${top}${wipe}${above}${body}${CLEAR_BELOW}${END_FRAME}`)
    shown = lines
    shownColumns = columns
  }

  return {
    change: (line) => {
      if (!closed) paint(shown, `${timeOfDay()}  ${line}\n`)
    },
    ready: (line) => {
      if (!closed) paint(shown, `${line}\n`)
    },
    draw(model) {
      // A terminal that was paused gets the present, not all of the past.
      if (closed || output.writableNeedDrain) return
      const { columns, rows } = sizeOf(output)
      const lines = renderView(model, { columns, rows: rows - 1, color })
      const same = lines.length === shown.length && lines.every((line, i) => line === shown[i])
      if (!same || columns !== shownColumns) paint(lines, '')
    },
    close() {
      // What happened stays to be read; how things were a moment ago would only mislead.
      if (!closed) output.write(`${toTop()}${CLEAR_BELOW}${SHOW_CURSOR}`)
      closed = true
    },
  }
}

function sizeOf(output: TextOutput): { columns: number; rows: number } {
  return {
    columns: Math.max(COLUMNS_MIN, output.columns || COLUMNS_DEFAULT),
    rows: Math.max(ROWS_MIN, output.rows || ROWS_DEFAULT),
  }
}
