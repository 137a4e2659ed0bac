import { whyNotPacking } from './batch-rules.ts'
import { listOf } from './config-definition.ts'
import { baseOfListenerConfig } from './dynamic-configs.ts'

/** A broker's effective values, each as Kafka would show it; null where there is none. */
export type Effective = (name: string) => string | null

/** A change may halve or double them, no more: Kafka holds all that its thread pools follow to it. */
const THREADS = [
  'background.threads',
  'log.cleaner.threads',
  'num.io.threads',
  'num.network.threads',
  'num.recovery.threads.per.data.dir',
  'num.replica.fetchers',
  'remote.log.manager.copier.thread.pool.size',
  'remote.log.manager.expiration.thread.pool.size',
  'remote.log.manager.follower.thread.pool.size',
  'remote.log.reader.threads',
]

/** So much each cleaner of Kafka needs to remember keys. */
const CLEANER_BUFFER_BYTES_MIN = 1024 * 1024

/** Set by the environment of the process, which alone opens and closes sockets. */
const LISTENERS = ['listeners', 'listener.security.protocol.map']

/**
 * What speaks against a broker's configs beside each other, or against such a change while it runs:
 * Kafka's own rules (KafkaConfig and its reconfigurable parts), and what this process cannot do at
 * all. Null: nothing.
 */
export function whyNotBrokerChange(before: Effective, after: Effective): string | null {
  return (
    whyNotThreads(before, after) ??
    whyNotCleaner(after) ??
    whyNotTimes(after) ??
    whyNotLocalRetention(after) ??
    whyNotIntervals(after) ??
    whyNotConnections(after) ??
    whyNotPacking((name) => after(name) ?? '') ??
    whyNotPossible(before, after)
  )
}

function invalid(name: string, value: string | null, why: string): string {
  return `Invalid value ${value} for configuration ${name}: ${why}`
}

function whyNotThreads(before: Effective, after: Effective): string | null {
  for (const name of THREADS) {
    const [old, wished] = [Number(before(name)), Number(after(name))]
    if (wished === old) continue
    if (wished < 1) return invalid(name, after(name), 'Value must be at least 1')
    if (wished < Math.trunc(old / 2)) {
      return invalid(name, after(name), `Value must be at least half the current value ${old}`)
    }
    if (wished > old * 2) {
      return invalid(name, after(name), `Value must be at most double the current value ${old}`)
    }
  }
  return null
}

function whyNotCleaner(after: Effective): string | null {
  const name = 'log.cleaner.dedupe.buffer.size'
  const each = Number(after(name)) / Number(after('log.cleaner.threads'))
  if (each > CLEANER_BUFFER_BYTES_MIN) return null
  return invalid(name, after(name), 'Each cleaner thread must have more than 1 MiB of it')
}

/** In milliseconds there is no limit in the table: Kafka has it for all the units together. */
function whyNotTimes(after: Effective): string | null {
  const least: [name: string, min: number][] = [
    ['log.roll.ms', 1],
    ['log.roll.jitter.ms', 0],
  ]
  for (const [name, min] of least) {
    const value = after(name)
    if (value !== null && Number(value) < min) {
      return invalid(name, value, `Value must be at least ${min}`)
    }
  }
  if (Number(after('log.retention.ms') ?? 1) !== 0) return null
  return invalid('log.retention.ms', '0', 'Value must be above 0, or -1 for no limit')
}

/** How long anything is kept may not be shorter than how long it is kept on a disk. */
function whyNotLocalRetention(after: Effective): string | null {
  const retentionMs = after('log.retention.ms') ?? hoursOrMinutes(after)
  return (
    whyNotShorter(after, 'log.local.retention.ms', Number(retentionMs)) ??
    whyNotShorter(after, 'log.local.retention.bytes', Number(after('log.retention.bytes')))
  )
}

function hoursOrMinutes(after: Effective): number {
  const minutes = after('log.retention.minutes')
  if (minutes !== null) return Number(minutes) * 60_000
  return Number(after('log.retention.hours')) * 3_600_000
}

function whyNotShorter(after: Effective, name: string, bound: number): string | null {
  const value = Number(after(name))
  if (bound < 0 || value === -2) return null
  if (value !== -1 && value <= bound) return null
  return invalid(name, after(name), `Value must be at most what is kept at all: ${bound}`)
}

function whyNotIntervals(after: Effective): string | null {
  for (const kind of ['consumer', 'share', 'streams']) {
    const name = `group.${kind}.assignment.interval.ms`
    const min = Number(after(`group.${kind}.min.assignment.interval.ms`))
    const max = Number(after(`group.${kind}.max.assignment.interval.ms`))
    const value = Number(after(name))
    if (value < min || value > max) {
      return invalid(name, after(name), `Value must be between ${min} and ${max}`)
    }
  }
  return null
}

function whyNotConnections(after: Effective): string | null {
  const overrides = after('max.connections.per.ip.overrides') ?? ''
  for (const each of listOf(overrides)) {
    if (/^.*:\s*\d+$/.test(each)) continue
    return invalid('max.connections.per.ip.overrides', overrides, 'Expected host:count pairs')
  }
  if (Number(after('max.connections.per.ip')) > 0 || overrides !== '') return null
  return invalid('max.connections.per.ip', '0', 'Value can be 0 only beside overrides')
}

/**
 * Keys and certificates are files that the environment names: an answer that new ones are taken
 * would be a lie, and noticed when the old ones expire.
 */
export function whyNotOfListeners(values: Readonly<Record<string, string>>): string | null {
  const refused = Object.keys(values).filter((name) => {
    return /^(ssl|sasl|.*\.sasl)\./.test(baseOfListenerConfig(name) ?? '')
  })
  if (refused.length === 0) return null
  return `The security of listeners is set at the start of a broker: ${refused.join(', ')}`
}

/** Java classes cannot be loaded, log directories there are none, and sockets are the process's. */
function whyNotPossible(before: Effective, after: Effective): string | null {
  for (const name of LISTENERS) {
    if (after(name) !== before(name)) {
      return invalid(name, after(name), 'Listeners are set at the start of a broker')
    }
  }
  for (const name of ['principal.builder.class', 'ssl.engine.factory.class', 'metric.reporters']) {
    const none = name === 'metric.reporters' ? '' : null
    if ((after(name) ?? none) !== (before(name) ?? none)) {
      return invalid(name, after(name), 'Java classes cannot be loaded by this broker')
    }
  }
  const cordoned = after('cordoned.log.dirs') ?? ''
  if (cordoned === '') return null
  return invalid('cordoned.log.dirs', cordoned, 'There are no log directories')
}
