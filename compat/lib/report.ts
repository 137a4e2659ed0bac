import type { Scenario } from '../scenarios/scenario.ts'
import { ADMIN_CALLS } from './admin-calls.ts'
import type { Client } from './client.ts'
import type { CellResult } from './matrix.ts'
import type { Outcome } from './outcome.ts'

export interface ToolResult {
  /** As Kafka names its script. */
  readonly tool: string
  readonly title: string
  readonly outcome: Outcome
}

export interface Findings {
  readonly scenarios: readonly Scenario[]
  readonly clients: readonly Client[]
  /** By the client's name. */
  readonly versions: ReadonlyMap<string, string>
  readonly cells: readonly CellResult[]
  readonly tools: readonly ToolResult[]
}

function row(columns: readonly string[]): string {
  return `| ${columns.join(' | ')} |`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
}

/** Collects remarks below a table, and gives each a number. */
class Notes {
  readonly texts: string[] = []

  mark(text: string): string {
    let at = this.texts.indexOf(text)
    if (at < 0) at = this.texts.push(text) - 1
    return `<sup>${at + 1}</sup>`
  }

  toString(): string {
    return this.texts.map((text, at) => `${at + 1}. ${text}`).join('\n')
  }
}

const WORDS = { adjusted: 'passed if', cannot: 'cannot', fails: '**fails**' } as const

/** Luck of one run: two reports that differ in these words only say the same. */
const SECOND_TRY = ', at the second try'

function wordOf(outcome: Outcome, notes: Notes, who: string): string {
  if (outcome.result === 'failed') {
    // What a failure says differs from run to run; that it failed is the fact.
    return '**failed**'
  }
  if (outcome.result === 'passed') {
    const { remark = 'passed', note, atSecondTry } = outcome
    const mark = note === undefined ? '' : ` ${notes.mark(`${who}: ${note}.`)}`
    return `${remark}${mark}${atSecondTry ? SECOND_TRY : ''}`
  }
  const tries = outcome.result === 'adjusted' && outcome.atSecondTry ? SECOND_TRY : ''
  return `${WORDS[outcome.result]} ${notes.mark(`${who}: ${outcome.why}.`)}${tries}`
}

function matrix(findings: Findings, notes: Notes): string {
  const { scenarios, clients, cells } = findings
  const rows = scenarios.map(({ name, title }) => {
    const words = clients.map((client) => {
      const cell = cells.find((each) => each.scenario === name && each.client === client.name)
      return cell === undefined ? 'not run' : wordOf(cell.outcome, notes, client.name)
    })
    return [title, ...words]
  })
  return table(['', ...clients.map(({ name }) => name)], rows)
}

const INTRODUCTION = `# Compatibility

Written by \`make compat\`, which runs real clients against real broker processes; do not edit it by
hand. Each client is used as an application would use it, with its own defaults but for what is
named below. In CI a run whose table differs from this one fails.

*Passed* means: no delivery failed, no exception reached the application, every process ended with
0, every acknowledged record is in its partition exactly once, and a group has read every record.
Lines in a client's log do not count, nor do calls of librdkafka's error callback. An admin call is
tried again for up to 15 seconds, because brokers hear of each other's changes a little later.

A cell that fails is tried once more, and says so if it passes then; not if a record that was
acknowledged was lost or doubled. *Cannot* means that the client does not offer it, whatever the
broker does; *passed if*, that it must be used as the note says; *fails*, that it does not work for
the reason in the note, while all that was acknowledged is there once.

*The mix* is what runs at once while the cluster is disturbed: an idempotent producer that writes
all the time and a second one, over TLS, for each round of the disturbance, each with another codec
of the client; a group of two, one of them over TLS and, where the client has such, a static member,
which a third member joins and leaves; in every other round a consumer that seeks by time, and in the
others all admin calls of the client, while the static member is killed and comes back under its name.
Seeks and admin calls come over TLS in the later rounds of moves, and where brokers are started anew
at the same address. Where the coordinator moves, the group is a cooperative one if the client has
such. Moves: every 1.5 seconds a partition of each topic in use, in four rounds, or the group's
partition of the offsets topic, in two. Kills: twice, each time the owner of partitions of all topics
in use.
`

/** Said once here, as the cells only count. */
const ADMIN = `The admin calls are: ${ADMIN_CALLS.join(', ')}.\n`

/** The text of docs/compatibility.md: facts only, so that two runs alike give the same text. */
export function renderReport(findings: Findings): string {
  const notes = new Notes()
  const versions = findings.clients.map(({ name, settings }) => {
    return [name, findings.versions.get(name) ?? 'unknown', settings.join('; ')]
  })
  const main = matrix(findings, notes)
  const tools = findings.tools.map(({ tool, title, outcome }) => {
    return [`\`${tool}\``, title, wordOf(outcome, notes, tool)]
  })
  const remarks = notes.texts.length === 0 ? '' : `\n${notes}\n`
  return `${INTRODUCTION}
## Clients

${table(['client', 'version', 'settings that are not its defaults'], versions)}

## What was tried

${main}

${ADMIN}
## Kafka's own tools

${table(['tool', 'what was done with it', ''], tools)}
${remarks}`
}

/** Whether two reports say the same but for how many tries it took. */
export function saysTheSame(before: string, after: string): boolean {
  return before.replaceAll(SECOND_TRY, '') === after.replaceAll(SECOND_TRY, '')
}

/** The lines that only one of two texts has, marked as \`diff\` does. */
export function differences(before: string, after: string): string[] {
  const [old, fresh] = [new Set(before.split('\n')), new Set(after.split('\n'))]
  return [
    ...[...old].filter((line) => !fresh.has(line)).map((line) => `- ${line}`),
    ...[...fresh].filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ]
}
