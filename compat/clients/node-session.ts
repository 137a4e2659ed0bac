import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Role, SessionReport, SessionSettings } from '../lib/session-protocol.ts'

/**
 * What the sessions of all clients for Node share: settings, commands, reports, and the pace.
 */
export const settings = JSON.parse(process.argv[2] ?? '{}') as SessionSettings
export const topic = settings.topic ?? ''

const TICK_MS = 20
const EVENTUALLY_MS_MAX = 15_000
const KEYS = 97

export function report(message: SessionReport): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

export function fail(what: string, error: unknown): void {
  report({ event: 'failed', what, message: wordsOf(error) })
}

/** Clients wrap what happened several times; the innermost error tells. */
export function wordsOf(error: unknown): string {
  const { message, errors, cause } = error as {
    message?: string
    errors?: unknown[]
    cause?: unknown
  }
  const inner = errors?.at(-1) ?? cause
  return inner === undefined ? (message ?? String(error)) : `${message}: ${wordsOf(inner)}`
}

let burst = 0
let perSecond = 0
let sinceMs = 0
let paced = 0
let finishAsked: () => void = () => {}
let isFinishing = false

/** Resolves when the runner asks for the end. */
export const finishing = new Promise<void>((resolve) => {
  finishAsked = resolve
})

export function listen(): void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const [word, argument] = line.split(' ')
    if (word === 'send') burst += Number(argument)
    else if (word === 'run') {
      perSecond = Number(argument)
      sinceMs = performance.now()
      paced = 0
    } else if (word === 'finish') {
      perSecond = 0
      isFinishing = true
      finishAsked()
    }
  })
  lines.on('close', () => process.exit(2))
}

/** How many records are due now. */
function due(): number {
  const wanted = Math.floor(((performance.now() - sinceMs) / 1000) * perSecond)
  const count = burst + Math.max(0, wanted - paced)
  paced = Math.max(paced, wanted)
  burst = 0
  return count
}

export interface OutgoingRecord {
  readonly key: string
  readonly value: string
}

/**
 * Calls `send` with the records that are due, one call after the other, until the runner asks for
 * the end and all is sent.
 */
export async function sendAsAsked(
  send: (records: readonly OutgoingRecord[]) => Promise<void>,
): Promise<void> {
  let index = 0
  report({ event: 'ready' })
  for (;;) {
    const isLast = isFinishing
    const records = Array.from({ length: due() }, () => {
      const record = { key: `key-${index % KEYS}`, value: `${settings.name}-${index}` }
      index++
      return record
    })
    if (records.length > 0) {
      const calls = settings.recordPerSend ? records.map((record) => [record]) : [records]
      for (const call of calls) await sendOnce(call, send)
    }
    if (isLast) return
    await pause(TICK_MS)
  }
}

async function sendOnce(
  records: readonly OutgoingRecord[],
  send: (records: readonly OutgoingRecord[]) => Promise<void>,
): Promise<void> {
  try {
    await send(records)
    for (const { value } of records) report({ event: 'acked', value })
  } catch (error) {
    fail(records.map(({ value }) => value).join(' '), error)
  }
}

/** Tries each step until it passes: what one broker did, the others hear of a little later. */
export async function takeSteps(
  steps: readonly (readonly [name: string, action: () => Promise<unknown>])[],
): Promise<void> {
  report({ event: 'ready' })
  for (const [name, action] of steps) {
    const endMs = performance.now() + EVENTUALLY_MS_MAX
    for (;;) {
      try {
        await action()
        report({ event: 'step', name, outcome: 'passed' })
        break
      } catch (error) {
        process.stderr.write(`${name} is tried again: ${wordsOf(error)}\n`)
        if (performance.now() > endMs) {
          report({ event: 'step', name, outcome: 'failed', message: wordsOf(error) })
          break
        }
        await pause(200)
      }
    }
  }
}

export function check(holds: boolean, words: string): void {
  if (!holds) throw new Error(words)
}

export function versionOfPackage(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** Plays the role that the settings name. What it throws ends the process with an error. */
export async function play(roles: Readonly<Record<Role, () => Promise<void>>>): Promise<void> {
  listen()
  await roles[settings.role]()
  report({ event: 'done' })
  // Standard input would keep the process.
  process.stdout.write('', () => process.exit(0))
}
