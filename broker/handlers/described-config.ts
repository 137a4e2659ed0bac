import type { BrokerConfig } from '../config/broker-config.ts'
import { documentationOf } from '../config/broker-config-effects.ts'
import { BROKER_CONFIGS } from '../config/broker-config-table.ts'
import type { ClientMetricsDefinition } from '../config/client-metrics-config.ts'
import { type ConfigType, shownValue } from '../config/config-definition.ts'
import {
  baseOfListenerConfig,
  brokerDefinition,
  brokerSynonyms,
  isSensitive,
  updateModeOf,
} from '../config/dynamic-configs.ts'
import { effectiveGroupValue } from '../config/group-config.ts'
import type { GroupConfigDefinition } from '../config/group-config-table.ts'
import { effectiveValue } from '../config/topic-config.ts'
import type { TopicConfigDefinition } from '../config/topic-config-table.ts'
import type { DescribeConfigsResponse } from '../protocol/messages/describe-configs.ts'
import { CONFIG_SOURCE } from './config-source.ts'

export type Entry = DescribeConfigsResponse['results'][number]['configs'][number]
type Synonym = Entry['synonyms'][number]
type Values = Readonly<Record<string, string>>

/** Kafka's numbers of types of values (DescribeConfigsResponse.ConfigType). */
const TYPE: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
}
const UNKNOWN_TYPE = 0

/** An entry whose source is that of its first synonym, as in Kafka. */
function entryOf(
  name: string,
  value: string | null,
  more: {
    readonly synonyms: readonly Synonym[]
    readonly documentation: string
    readonly type: ConfigType | undefined
    readonly readOnly?: boolean
    readonly isSensitive?: boolean
  },
): Entry {
  const { synonyms, documentation, type } = more
  return {
    name,
    value,
    readOnly: more.readOnly ?? false,
    configSource: synonyms[0]?.source ?? CONFIG_SOURCE.default,
    isSensitive: more.isSensitive ?? false,
    synonyms,
    configType: type === undefined ? UNKNOWN_TYPE : TYPE[type],
    documentation,
  }
}

/** A topic's config, of which `own` are set of the topic itself. */
export function topicEntry(
  config: BrokerConfig,
  own: Values,
  definition: TopicConfigDefinition,
): Entry {
  const { value, source } = effectiveValue(config, own, definition)
  const shown = shownValue(definition, value)
  const synonyms: Synonym[] = []
  if (source === 'topic') {
    synonyms.push({ name: definition.name, value: shown, source: CONFIG_SOURCE.topic })
  }
  const [closest] = definition.synonyms
  if (closest !== undefined) synonyms.push(...brokerLayers(config, closest.name))
  const { name, type, documentation } = definition
  return entryOf(name, shown, { synonyms, documentation, type })
}

/** Where a broker's config or what stands in for it was set, as it was set, the strongest first. */
function brokerLayers(config: BrokerConfig, name: string): Synonym[] {
  const found: Synonym[] = []
  const hidden = isSensitive(name)
  const names = brokerSynonyms(name)
  for (const source of ['dynamic-broker', 'dynamic-default', 'broker', 'default'] as const) {
    for (const each of names) {
      const value =
        source === 'default'
          ? BROKER_CONFIGS.get(each)?.default
          : config.settings(each).find((setting) => setting.source === source)?.value
      if (value == null) continue
      found.push({ name: each, value: hidden ? null : value, source: CONFIG_SOURCE[source] })
    }
  }
  // Kafka tells nothing of what is stronger than the config itself, nor of hours without minutes.
  const first = found.findIndex((each) => each.name === name)
  return first === -1 ? [] : found.slice(first)
}

/** A config of this broker. */
export function brokerEntry(config: BrokerConfig, name: string): Entry {
  const definition = brokerDefinition(name)
  const hidden = isSensitive(name)
  // Of a config that a listener has for itself only what was set is told, not what is behind it.
  const isOwn = baseOfListenerConfig(name) === null
  const value = isOwn ? config.valueOf(name) : (config.settings(name)[0]?.value ?? null)
  return entryOf(name, hidden ? null : value, {
    synonyms: brokerLayers(config, name),
    documentation: documentationOf(name),
    type: definition?.type,
    readOnly: updateModeOf(name) === 'read-only',
    isSensitive: hidden,
  })
}

/** What is set of the whole cluster while brokers run, of one config. */
export function clusterEntry(name: string, value: string): Entry {
  const hidden = isSensitive(name)
  const shown = hidden ? null : value
  return entryOf(name, shown, {
    synonyms: [{ name, value: shown, source: CONFIG_SOURCE['dynamic-default'] }],
    documentation: documentationOf(name),
    type: brokerDefinition(name)?.type,
    readOnly: updateModeOf(name) === 'read-only',
    isSensitive: hidden,
  })
}

/** A group's config, of which `own` are set of the group itself. */
export function groupEntry(
  config: BrokerConfig,
  own: Values,
  definition: GroupConfigDefinition,
): Entry {
  const { value, layers } = effectiveGroupValue(config, own, definition)
  const synonyms = layers.map(({ source, ...layer }) => ({
    ...layer,
    source: CONFIG_SOURCE[source],
  }))
  const { name, type, documentation } = definition
  return entryOf(name, value, { synonyms, documentation, type })
}

/** A config of a subscription to clients' metrics. */
export function clientMetricsEntry(own: Values, definition: ClientMetricsDefinition): Entry {
  const { name, type, documentation } = definition
  const value = shownValue(definition, own[name] ?? definition.default)
  const isSet = own[name] !== undefined
  const synonyms = isSet ? [{ name, value, source: CONFIG_SOURCE['client-metrics'] }] : []
  return entryOf(name, value, { synonyms, documentation, type })
}

/** The level of a logger, in Kafka's words. */
export function loggerEntry(name: string, level: string): Entry {
  const entry = entryOf(name, level, { synonyms: [], documentation: '', type: undefined })
  return { ...entry, configSource: CONFIG_SOURCE.logger }
}
