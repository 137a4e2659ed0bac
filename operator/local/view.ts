import { clip, type Paint, painter } from './ansi.ts'
import { type FleetMember, isSilent } from './fleet-member.ts'
import { duration, scaled } from './words.ts'

/** What the view shows. A snapshot: the view keeps nothing. */
export interface ViewModel {
  readonly name: string
  /** Where clients bootstrap. */
  readonly bootstrap: string
  readonly store: string
  readonly nowMs: number
  readonly startedAtMs: number
  readonly members: readonly FleetMember[]
  readonly desired: number
  /** Null without autoscaling. */
  readonly bounds: { readonly min: number; readonly max: number } | null
  readonly why: string
  /** The last changes, newest last. */
  readonly scaleEvents: readonly ScaleChange[]
  readonly moves: { readonly count: number; readonly lastMs: number | null }
  /** Lines of whoever puts load on the cluster. */
  readonly notes: readonly string[]
}

export interface ScaleChange {
  /** Local time of day. */
  readonly time: string
  readonly from: number
  readonly to: number
  readonly why: string
}

export interface ViewSize {
  readonly columns: number
  readonly rows: number
  readonly color: boolean
}

interface Column {
  readonly title: string
  readonly width: number
  /** A narrow terminal leaves out columns with a high number first. */
  readonly rank: number
  readonly value: (member: FleetMember, nowMs: number) => string
}

const COLUMNS: readonly Column[] = [
  { title: 'node', width: 6, rank: 0, value: (m) => String(m.addresses?.nodeId ?? '-') },
  { title: 'state', width: 10, rank: 0, value: stateWord },
  { title: 'partitions', width: 12, rank: 1, value: (m) => orDash(m.load?.partitions, String) },
  {
    title: 'in MB/s',
    width: 10,
    rank: 1,
    value: (m) => orDash(m.load?.bytesInPerSecond, megabytes),
  },
  {
    title: 'out MB/s',
    width: 10,
    rank: 1,
    value: (m) => orDash(m.load?.bytesOutPerSecond, megabytes),
  },
  {
    title: 'requests/s',
    width: 12,
    rank: 3,
    value: (m) => orDash(m.load?.requestsPerSecond, (value) => String(Math.round(value))),
  },
  {
    title: 'loop',
    width: 7,
    rank: 2,
    value: (m) => orDash(m.load?.eventLoopUtilization, (value) => `${Math.round(value * 100)} %`),
  },
  {
    title: 'unwritten',
    width: 11,
    rank: 5,
    value: (m) => orDash(m.load?.walBacklogBytes, (value) => scaled(value, 'B')),
  },
  { title: 'age', width: 10, rank: 4, value: (m, nowMs) => duration(nowMs - m.startedAtMs) },
]

/** The view as lines, none of which is wider than `size.columns`, at most `size.rows` of them. */
export function renderView(model: ViewModel, size: ViewSize): string[] {
  const paint = painter(size.color)
  const head = headLines(model, paint)
  const foot = footLines(model, paint)
  const space = Math.max(1, size.rows - head.length - foot.length - 2)
  const columns = columnsFor(size.columns)
  const brokers = model.members.slice(0, model.members.length > space ? space - 1 : space)
  const lines = [
    ...head,
    paint('dim', columns.map(({ title, width }) => title.padStart(width)).join('')),
    ...brokers.map((member) => brokerLine(member, columns, model, paint)),
  ]
  const hidden = model.members.length - brokers.length
  if (hidden > 0) lines.push(paint('dim', `      … and ${hidden} more`))
  lines.push(totalLine(model, columns, paint), ...foot)
  return lines.slice(0, size.rows).map((line) => clip(line, size.columns))
}

/** The totals in one line, for an output that cannot be redrawn. */
export function summaryLine(model: ViewModel): string {
  const total = totalOf(model.members)
  const serving = model.members.filter((member) => member.state === 'active').length
  const parts = [
    `${serving} of ${model.desired} brokers serve`,
    `in ${scaled(total.bytesIn, 'B/s')}`,
    `out ${scaled(total.bytesOut, 'B/s')}`,
    `${Math.round(total.requests)} requests/s`,
    `${total.partitions} partitions`,
    movesWords(model),
  ]
  return [...parts, ...model.notes].join(', ')
}

function headLines(model: ViewModel, paint: Paint): string[] {
  const { bounds, desired } = model
  const serving = model.members.filter((member) => member.state === 'active').length
  const up = duration(model.nowMs - model.startedAtMs)
  const range = bounds === null ? '' : ` (${bounds.min} to ${bounds.max})`
  const counts = `brokers ${serving} of ${desired}${range}`
  return [
    `${paint('bold', model.name)}  ${model.bootstrap}  ${paint('dim', `${model.store}  up ${up}`)}`,
    `${paint(serving === desired ? 'green' : 'yellow', counts)}  ${model.why}`,
    '',
  ]
}

function movesWords(model: ViewModel): string {
  const { count, lastMs } = model.moves
  const last = count === 0 || lastMs === null ? '' : ` (the last took ${Math.round(lastMs)} ms)`
  return `${count} moves${last}`
}

function footLines(model: ViewModel, paint: Paint): string[] {
  const moves = movesWords(model)
  const star = model.members.some(({ load }) => load?.controller) ? '   * runs the controller' : ''
  const changes = model.scaleEvents.map(
    ({ time, from, to, why }) => `${time}  ${from} → ${to}  ${paint('dim', why)}`,
  )
  return [
    '',
    paint('dim', `${moves}${star}`),
    ...changes,
    ...model.notes.map((note) => paint('bold', note)),
  ]
}

function brokerLine(
  member: FleetMember,
  columns: readonly Column[],
  model: ViewModel,
  paint: Paint,
): string {
  return columns
    .map(({ title, width, value }) => {
      const text = value(member, model.nowMs).padStart(width)
      if (title !== 'state') return text
      return paint(text.includes('active') ? 'green' : 'yellow', text)
    })
    .join('')
}

function totalLine(model: ViewModel, columns: readonly Column[], paint: Paint): string {
  const total = totalOf(model.members)
  const values: Record<string, string> = {
    node: 'total',
    partitions: String(total.partitions),
    'in MB/s': megabytes(total.bytesIn),
    'out MB/s': megabytes(total.bytesOut),
    'requests/s': String(Math.round(total.requests)),
    unwritten: scaled(total.walBacklogBytes, 'B'),
  }
  const cells = columns.map(({ title, width }) => (values[title] ?? '').padStart(width))
  return paint('bold', cells.join(''))
}

function totalOf(members: readonly FleetMember[]) {
  const total = { partitions: 0, bytesIn: 0, bytesOut: 0, requests: 0, walBacklogBytes: 0 }
  for (const { load } of members) {
    total.partitions += load?.partitions ?? 0
    total.bytesIn += load?.bytesInPerSecond ?? 0
    total.bytesOut += load?.bytesOutPerSecond ?? 0
    total.requests += load?.requestsPerSecond ?? 0
    total.walBacklogBytes += load?.walBacklogBytes ?? 0
  }
  return total
}

/** The columns that fit, the dispensable ones left out first. */
function columnsFor(width: number): Column[] {
  let columns = [...COLUMNS]
  const widthOf = (list: readonly Column[]): number =>
    list.reduce((sum, column) => sum + column.width, 0)
  while (widthOf(columns) > width && columns.length > 2) {
    const rank = Math.max(...columns.map((column) => column.rank))
    columns = columns.filter((column) => column !== columns.findLast((each) => each.rank === rank))
  }
  return columns
}

function stateWord(member: FleetMember, nowMs: number): string {
  if (isSilent(member, nowMs)) return 'silent'
  if (member.state !== 'active') return member.state
  return member.load?.controller ? 'active *' : 'active'
}

function orDash(value: number | undefined, words: (value: number) => string): string {
  return value === undefined ? '-' : words(value)
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 9.95e6 ? 2 : 1)
}
