import { DEFAULT_CONTROLLER_SETTINGS } from '../controller/controller.ts'
import {
  address,
  type ListenAddress,
  type ListenerSettings,
  listenerSettings,
  refuse,
  SettingsError,
} from './listener-settings.ts'
import type { NodeSettings } from './node.ts'
import { type RecordValidation, VALIDATION_BY_DEFAULT } from './protocol/judge-batch.ts'
import { DEFAULT_WAL_SETTINGS } from './wal/writer.ts'

const MEBIBYTE = 1024 * 1024

/** What a broker process is told by its environment; see docs/architecture.md for the variables. */
export interface BrokerSettings {
  readonly store: string
  /** At least one. */
  readonly listeners: readonly ListenerSettings[]
  /** How often it is looked whether certificates and keys have changed. */
  readonly tlsPollMs: number
  readonly adminListen: ListenAddress
  readonly rack: string | null
  readonly config: Readonly<Record<string, string>>
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly drainMsMax: number
  /** Bytes accepted but not durable, over which no socket is read. */
  readonly backlogBytesMax: number
  /** How deep produced batches are looked into where their topic does not ask for more. */
  readonly recordValidation: RecordValidation
  /** Answers that clients have not taken yet, over which no fetch is begun. */
  readonly unsentBytesMax: number
  /** Requests that are not answered, over which none are read, unless queued.max.request.bytes says so. */
  readonly requestBytesMax: number
  readonly node: NodeSettings
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
  const level = env['STREAMCLUSTER_LOG_LEVEL'] || 'info'
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') {
    refuse('STREAMCLUSTER_LOG_LEVEL', level, 'debug, info, warn or error')
  }
  const number = (name: string, byDefault: number, min: 0 | 1 = 0): number =>
    wholeNumber(name, env[name], { byDefault, min })
  const lingerMsMax = number('STREAMCLUSTER_WAL_LINGER_MS_MAX', DEFAULT_WAL_SETTINGS.lingerMsMax)
  const lingerMsMin = number('STREAMCLUSTER_WAL_LINGER_MS_MIN', DEFAULT_WAL_SETTINGS.lingerMsMin)
  if (lingerMsMin > lingerMsMax) {
    const most = `at most STREAMCLUSTER_WAL_LINGER_MS_MAX, which is ${lingerMsMax}`
    refuse('STREAMCLUSTER_WAL_LINGER_MS_MIN', String(lingerMsMin), most)
  }
  return {
    store,
    listeners: listenerSettings(env),
    tlsPollMs: number('STREAMCLUSTER_TLS_POLL_MS', 10_000, 1),
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
    unsentBytesMax: number('STREAMCLUSTER_UNSENT_BYTES_MAX', 256 * MEBIBYTE, 1),
    requestBytesMax: number('STREAMCLUSTER_REQUEST_BYTES_MAX', 256 * MEBIBYTE, 1),
    node: {
      wal: {
        lingerMsMin,
        lingerMsMax,
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
