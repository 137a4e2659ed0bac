import { configKey, type Table } from '../../metadata/image.ts'
import { type ConfigDefinition, listOf, whyNotValue } from './config-definition.ts'

export interface ClientMetricsDefinition extends ConfigDefinition {
  readonly default: string
  readonly documentation: string
}

const DEFINITIONS: readonly ClientMetricsDefinition[] = [
  {
    name: 'interval.ms',
    type: 'int',
    default: '300000',
    rule: {},
    documentation: 'How often clients push. Stored only: clients are not asked for metrics yet.',
  },
  {
    name: 'match',
    type: 'list',
    default: '',
    rule: {},
    documentation: 'Which clients are meant. Stored only: clients are not asked for metrics yet.',
  },
  {
    name: 'metrics',
    type: 'list',
    default: '',
    rule: {},
    documentation: 'Prefixes of names. Stored only: clients are not asked for metrics yet.',
  },
]

/** The configs of a subscription to clients' metrics (KIP-714), in the order of their names. */
export const CLIENT_METRICS_CONFIGS: ReadonlyMap<string, ClientMetricsDefinition> = new Map(
  DEFINITIONS.map((definition) => [definition.name, definition]),
)

const INTERVAL_MS = { min: 100, max: 3_600_000 }
const MATCHED = new Set([
  'client_id',
  'client_instance_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
])

/** What is set of a subscription. */
export function clientMetricsConfigs(
  configs: Pick<Table<string, string>, 'get'>,
  subscription: string,
): Record<string, string> {
  const own: Record<string, string> = {}
  for (const name of CLIENT_METRICS_CONFIGS.keys()) {
    const value = configs.get(configKey('client-metrics', subscription, name))
    if (value !== undefined) own[name] = value
  }
  return own
}

/**
 * Why a subscription cannot have these configs, or null. `isRequest`: Kafka answers INVALID_REQUEST
 * to this, and to other values INVALID_CONFIG.
 */
export function whyNotClientMetrics(
  own: Readonly<Record<string, string>>,
): { readonly why: string; readonly isRequest: boolean } | null {
  for (const [name, value] of Object.entries(own)) {
    const definition = CLIENT_METRICS_CONFIGS.get(name)
    if (definition === undefined) {
      return { why: `Unknown client metrics configuration: ${name}`, isRequest: true }
    }
    const why = whyNotValue(definition, value)
    if (why !== null) return { why, isRequest: false }
  }
  const intervalMs = Number(own['interval.ms'] ?? INTERVAL_MS.min)
  if (intervalMs < INTERVAL_MS.min || intervalMs > INTERVAL_MS.max) {
    const why = `interval.ms must be between ${INTERVAL_MS.min} and ${INTERVAL_MS.max}`
    return { why, isRequest: true }
  }
  const wrong = listOf(own['match'] ?? '').find((pattern) => !isPattern(pattern))
  return wrong === undefined
    ? null
    : { why: `Illegal client matching pattern: ${wrong}`, isRequest: false }
}

function isPattern(pattern: string): boolean {
  const [name, expression, ...rest] = pattern.split('=')
  if (expression === undefined || rest.length > 0 || !MATCHED.has(name?.trim() ?? '')) return false
  try {
    new RegExp(expression.trim())
    return true
  } catch {
    return false
  }
}
