import type { Clock } from './clock.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Record<string, unknown>

/** Structured log. Messages are fixed sentences; what varies goes into `fields`. Never secrets. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger
}

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/** A chain of causes longer than this is a circle. */
const CAUSES_MAX = 8

/** Errors become their message, code and cause, so that one line tells the whole story. */
function plain(value: unknown, depth = 0): unknown {
  if (!(value instanceof Error) && !(typeof value === 'object' && value && 'stack' in value)) {
    return value
  }
  const error = value as Error & { code?: unknown; kind?: unknown }
  return {
    message: error.message,
    ...(error.code !== undefined && { code: error.code }),
    ...(error.kind !== undefined && { kind: error.kind }),
    ...(error.cause !== undefined &&
      depth < CAUSES_MAX && { cause: plain(error.cause, depth + 1) }),
    ...(error.name === 'InvariantError' && { stack: error.stack }),
  }
}

/** Logging happens where errors are dealt with: it must not add one of its own. */
function lineOf(entry: LogFields): string {
  try {
    return JSON.stringify(entry, (_name, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    )
  } catch (error) {
    const { time, level, message } = entry
    return JSON.stringify({ time, level, message, unprintable: String(error) })
  }
}

/** What is logged at least; it may change while loggers are in use. */
export interface LogLevelSetting {
  current: LogLevel
}

/** A logger that hands one JSON line per message to `write`. */
export function jsonLogger(options: {
  clock: Pick<Clock, 'wallMs'>
  level: LogLevelSetting
  write: (line: string) => void
  fields?: LogFields
}): Logger {
  const base = options.fields ?? {}
  function line(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (RANK[level] < RANK[options.level.current]) return
    const entry: LogFields = {
      time: new Date(options.clock.wallMs()).toISOString(),
      level,
      message,
    }
    for (const source of [base, fields ?? {}]) {
      for (const [name, value] of Object.entries(source)) entry[name] = plain(value)
    }
    options.write(lineOf(entry))
  }
  return {
    debug: (message, fields) => line('debug', message, fields),
    info: (message, fields) => line('info', message, fields),
    warn: (message, fields) => line('warn', message, fields),
    error: (message, fields) => line('error', message, fields),
    with: (fields) => jsonLogger({ ...options, fields: { ...base, ...fields } }),
  }
}

/** A logger that drops everything; for tests. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
}
