import { DEFAULT_CONTROLLER_SETTINGS } from '../controller/controller.ts'
import type { NodeSettings } from './node.ts'
import { type RecordValidation, VALIDATION_BY_DEFAULT } from './protocol/judge-batch.ts'
import { DEFAULT_WAL_SETTINGS } from './wal/writer.ts'

const MEBIBYTE = 1024 * 1024

/** Where a server listens. `host` as the system takes it; port 0 for any free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** What a broker process is told by its environment; see docs/architecture.md for the variables. */
export interface BrokerSettings {
  readonly store: string
  readonly listen: ListenAddress
  /** What clients are told to connect to; null: the listening address. */
  readonly advertised: ListenAddress | null
  readonly adminListen: ListenAddress
  readonly rack: string | null
  readonly config: Readonly<Record<string, string>>
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly drainMsMax: number
  /** Bytes accepted but not durable, over which no socket is read. */
  readonly backlogBytesMax: number
  /** How deep produced batches are looked into where their topic does not ask for more. */
  readonly recordValidation: RecordValidation
  readonly node: NodeSettings
}

class SettingsError extends Error {
  override name = 'SettingsError'
}

function refuse(name: string, value: string, expected: string): never {
  throw new SettingsError(`${name}='${value}' is not understood: expected ${expected}`)
}

function address(name: string, text: string): ListenAddress {
  const match = /^(\[[^\]]+\]|[^:]*):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) refuse(name, text, 'host:port, such as 127.0.0.1:9092')
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, '') || '0.0.0.0', port }
}

/** `min`: with less of it nothing would ever happen, or the same again and again. */
function wholeNumber(
  name: string,
  text: string | undefined,
  { byDefault, min }: { byDefault: number; min: 0 | 1 },
): number {
  if (text === undefined || text === '') return byDefault
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
    refuse(name, text, min === 0 ? 'a whole number' : 'a whole number above 0')
  }
  return value
}

function configs(text: string | undefined): Record<string, string> {
  if (text === undefined || text === '') return {}
  const name = 'STREAMCLUSTER_CONFIG'
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error()
    return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, String(value)]))
  } catch {
    return refuse(name, text, 'a JSON object of Kafka broker configs')
  }
}

function recordValidation(text: string | undefined): RecordValidation {
  if (text === undefined || text === '') return VALIDATION_BY_DEFAULT
  if (text === 'headers' || text === 'uncompressed' || text === 'full') return text
  return refuse('STREAMCLUSTER_RECORD_VALIDATION', text, 'headers, uncompressed or full')
}

/** Reads the settings. Throws {@link SettingsError}, whose message names the variable. */
export function brokerSettings(env: Readonly<Record<string, string | undefined>>): BrokerSettings {
  const store = env['STREAMCLUSTER_STORE']
  if (store === undefined || store === '') {
    throw new SettingsError(
      'STREAMCLUSTER_STORE is not set: say where the data is, such as file:///var/lib/streamcluster ' +
        'or s3://bucket/prefix',
    )
  }
  const advertised = env['STREAMCLUSTER_ADVERTISED']
  const level = env['STREAMCLUSTER_LOG_LEVEL'] || 'info'
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') {
    refuse('STREAMCLUSTER_LOG_LEVEL', level, 'debug, info, warn or error')
  }
  const number = (name: string, byDefault: number, min: 0 | 1 = 0): number =>
    wholeNumber(name, env[name], { byDefault, min })
  return {
    store,
    listen: address('STREAMCLUSTER_LISTEN', env['STREAMCLUSTER_LISTEN'] || '0.0.0.0:9092'),
    advertised: advertised ? address('STREAMCLUSTER_ADVERTISED', advertised) : null,
    adminListen: address(
      'STREAMCLUSTER_ADMIN_LISTEN',
      env['STREAMCLUSTER_ADMIN_LISTEN'] || '0.0.0.0:9644',
    ),
    rack: env['STREAMCLUSTER_RACK'] || null,
    config: configs(env['STREAMCLUSTER_CONFIG']),
    logLevel: level,
    drainMsMax: number('STREAMCLUSTER_DRAIN_MS_MAX', 25_000),
    recordValidation: recordValidation(env['STREAMCLUSTER_RECORD_VALIDATION']),
    backlogBytesMax: number('STREAMCLUSTER_BACKLOG_BYTES_MAX', 64 * MEBIBYTE, 1),
    node: {
      wal: {
        lingerMsMax: number('STREAMCLUSTER_WAL_LINGER_MS_MAX', DEFAULT_WAL_SETTINGS.lingerMsMax),
        objectBytesTarget: number(
          'STREAMCLUSTER_WAL_OBJECT_BYTES',
          DEFAULT_WAL_SETTINGS.objectBytesTarget,
          1,
        ),
        putsInFlightMax: number(
          'STREAMCLUSTER_WAL_PUTS_IN_FLIGHT_MAX',
          DEFAULT_WAL_SETTINGS.putsInFlightMax,
          1,
        ),
      },
      controller: DEFAULT_CONTROLLER_SETTINGS,
      tailCacheBytes: number('STREAMCLUSTER_TAIL_CACHE_BYTES', 128 * MEBIBYTE),
      coldCacheBytes: number('STREAMCLUSTER_COLD_CACHE_BYTES', 64 * MEBIBYTE),
      staleMsMax: number('STREAMCLUSTER_STALE_MS_MAX', 10_000, 1),
      producerExpiryMs: 86_400_000,
      metadataPollMs: number('STREAMCLUSTER_METADATA_POLL_MS', 1_000, 1),
    },
  }
}
