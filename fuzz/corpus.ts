import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Larger inputs are not worth a place. */
const KEPT_BYTES_MAX = 300
/** Enough for one conversation of each API and version, answered and not. */
const KEPT_MAX = 300

function fileOf(name: string): string {
  return fileURLToPath(new URL(`./corpus/${name}.txt`, import.meta.url))
}

/** A line for each kept input: base64, then a blank and words for people. */
function linesOf(name: string): string[] {
  const file = fileOf(name)
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

/** The kept inputs of a target. */
export function readCorpus(name: string): Buffer[] {
  return linesOf(name).map((line) => Buffer.from(line.split(' ')[0] as string, 'base64'))
}

/** The words on each of them. */
export function kindsIn(name: string): string[] {
  return linesOf(name).map((line) => line.split(' ').slice(1).join(' '))
}

/** Adds inputs, with a word on each; returns how many had a place. */
export function addToCorpus(name: string, added: ReadonlyMap<string, Buffer>): number {
  const file = fileOf(name)
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const room = KEPT_MAX - before.split('\n').length + 1
  const lines = [...added]
    .filter(([, input]) => input.length > 0 && input.length <= KEPT_BYTES_MAX)
    .slice(0, Math.max(0, room))
    .map(
      ([kind, input]) => `${input.toString('base64')} ${kind.replace(/\s+/g, ' ').slice(0, 90)}\n`,
    )
  if (lines.length > 0) writeFileSync(file, before + lines.join(''))
  return lines.length
}
