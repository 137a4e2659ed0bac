import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** One line of a person's length; what is longer is cut, because it stands in a live view. */
const MESSAGE_CHARS_MAX = 400
/** A line longer than this is no log line; the rest of it is skipped. */
const LINE_BYTES_MAX = 64 * 1024

/**
 * What an error line of a broker says, in one line, or null if the line is no error. Brokers log
 * JSON objects with `level` and `message`; errors among the other fields have a `message` of
 * their own, which is usually what a person needs.
 */
export function errorOfLogLine(line: string): string | null {
  if (!line.startsWith('{')) return null
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch {
    return null
  }
  if (typeof entry !== 'object' || entry === null) return null
  const fields = entry as { level?: unknown; message?: unknown; error?: unknown }
  if (fields.level !== 'error') return null
  const parts = [typeof fields.message === 'string' ? fields.message : 'an unnamed error']
  for (let error: unknown = fields.error; error !== undefined; error = causeOf(error)) {
    const message = typeof error === 'string' ? error : messageOf(error)
    if (message !== null && !parts.includes(message)) parts.push(message)
  }
  return cut(parts.join(': '))
}

function messageOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null
  const { message } = error as { message?: unknown }
  return typeof message === 'string' ? message : null
}

function causeOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined
  return (error as { cause?: unknown }).cause
}

/**
 * The reason in a text that is not ours: what Node prints of an exception that nobody caught. Null
 * when no line looks like an error.
 */
export function errorOfPlainText(lines: readonly string[]): string | null {
  const line = lines.findLast((each) => /^(\w+ )?[A-Za-z]*Error\b.*:|^node: /.test(each))
  return line === undefined ? null : cut(line.trim())
}

function cut(text: string): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length <= MESSAGE_CHARS_MAX ? line : `${line.slice(0, MESSAGE_CHARS_MAX - 1)}…`
}

/** Splits a stream of bytes into lines, with bounded memory. */
export class LineSplitter {
  private rest: Buffer = Buffer.alloc(0)
  private skipping = false

  /** The lines that `bytes` completes, without their line ends. */
  push(bytes: Buffer): string[] {
    const lines: string[] = []
    let start = 0
    for (;;) {
      const end = bytes.indexOf(10, start)
      if (end === -1) break
      const line = Buffer.concat([this.rest, bytes.subarray(start, end)])
      if (!this.skipping) lines.push(line.toString('utf8'))
      this.rest = Buffer.alloc(0)
      this.skipping = false
      start = end + 1
    }
    // The caller reuses its buffer.
    if (!this.skipping) this.rest = Buffer.concat([this.rest, bytes.subarray(start)])
    if (this.rest.length > LINE_BYTES_MAX) {
      this.rest = Buffer.alloc(0)
      this.skipping = true
    }
    return lines
  }
}

/**
 * Follows a file that another process appends to. A broker writes its log to a file, not to a pipe
 * of ours: a pipe would break, and the broker's drain with it, if we died first.
 */
export class LogTail {
  private readonly descriptor: number
  private readonly buffer = Buffer.alloc(LINE_BYTES_MAX)
  private readonly splitter = new LineSplitter()
  private position = 0

  constructor(path: string) {
    this.descriptor = openSync(path, 'r')
  }

  /** The lines that were completed since the last call. */
  read(): string[] {
    const lines: string[] = []
    for (;;) {
      const bytes = readSync(this.descriptor, this.buffer, 0, LINE_BYTES_MAX, this.position)
      if (bytes === 0) return lines
      this.position += bytes
      lines.push(...this.splitter.push(this.buffer.subarray(0, bytes)))
    }
  }

  close(): void {
    closeSync(this.descriptor)
  }
}

/** Logs of brokers that are long gone; a crash loop overnight makes thousands. */
const LOG_FILES_MAX = 200

/** Deletes the oldest logs in `folder` beyond a number. A folder that is not there has none. */
export function pruneLogs(folder: string): void {
  if (!existsSync(folder)) return
  const logs = readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .map((name) => ({ path: join(folder, name), atMs: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.atMs - a.atMs)
  for (const { path } of logs.slice(LOG_FILES_MAX)) rmSync(path, { force: true })
}
