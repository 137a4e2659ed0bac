import { configKey, type Table } from '../../metadata/image.ts'
import type { BrokerConfig, BrokerConfigSource } from './broker-config.ts'
import { BROKER_CONFIGS } from './broker-config-table.ts'
import { shownValue, whyNotValue } from './config-definition.ts'
import { GROUP_CONFIGS, type GroupConfigDefinition } from './group-config-table.ts'

/** What is set of a group itself. */
export function groupConfigs(
  configs: Pick<Table<string, string>, 'get'>,
  groupId: string,
): Record<string, string> {
  const own: Record<string, string> = {}
  // Not by looking through all configs: there may be many groups.
  for (const name of GROUP_CONFIGS.keys()) {
    const value = configs.get(configKey('group', groupId, name))
    if (value !== undefined) own[name] = value
  }
  return own
}

/** A value, and each place that has one, the strongest first, as Kafka tells of them. */
export interface EffectiveGroupValue {
  readonly value: string
  readonly layers: readonly {
    readonly name: string
    readonly source: 'group' | BrokerConfigSource | 'default'
    readonly value: string
  }[]
}

/** The group's own value first, then the broker's, then Kafka's default. */
export function effectiveGroupValue(
  config: BrokerConfig,
  own: Readonly<Record<string, string>>,
  definition: GroupConfigDefinition,
): EffectiveGroupValue {
  const { name, synonym } = definition
  const layers: EffectiveGroupValue['layers'][number][] = []
  const set = own[name]
  if (set !== undefined) layers.push({ name, source: 'group', value: shownValue(definition, set) })
  const behind = synonym ?? name
  if (synonym !== null) {
    for (const layer of config.settings(synonym)) layers.push({ name: synonym, ...layer })
  }
  const fallback = BROKER_CONFIGS.get(behind)?.default ?? definition.default
  layers.push({ name: behind, source: 'default', value: fallback })
  const stronger = set ?? (synonym === null ? null : config.valueOf(synonym)) ?? fallback
  return { value: shownValue(definition, stronger), layers }
}

/** Why a group cannot have these configs, or null. The broker's own configs bound them. */
export function whyNotGroupConfigs(
  config: BrokerConfig,
  own: Readonly<Record<string, string>>,
): string | null {
  for (const [name, value] of Object.entries(own)) {
    const definition = GROUP_CONFIGS.get(name)
    if (definition === undefined) return `Unknown group config name: ${name}`
    const why = whyNotValue(definition, value) ?? whyNotBound(config, definition, Number(value))
    if (why !== null) return why
  }
  for (const kind of ['consumer', 'share', 'streams']) {
    const get = (name: string): number => {
      const definition = GROUP_CONFIGS.get(`${kind}.${name}`) as GroupConfigDefinition
      return Number(effectiveGroupValue(config, own, definition).value)
    }
    if (get('session.timeout.ms') > get('heartbeat.interval.ms')) continue
    return `${kind}.session.timeout.ms must be above ${kind}.heartbeat.interval.ms`
  }
  return null
}

function whyNotBound(
  config: BrokerConfig,
  { name, bounds }: GroupConfigDefinition,
  value: number,
): string | null {
  const { min, max } = bounds
  if (min !== undefined && value < Number(config.valueOf(min))) {
    return `${name} must be at least ${min}, which is ${config.valueOf(min)}`
  }
  if (max !== undefined && value > Number(config.valueOf(max))) {
    return `${name} must be at most ${max}, which is ${config.valueOf(max)}`
  }
  return null
}
