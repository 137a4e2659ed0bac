import { present } from '../../base/assert.ts'
import type { TopicEntry } from '../../metadata/image.ts'
import type { BatchRules } from '../protocol/judge-batch.ts'
import { batchRules, whyNotPacking } from './batch-rules.ts'
import type { BrokerConfig, BrokerConfigSource } from './broker-config.ts'
import { whyNotValue } from './config-definition.ts'
import { TOPIC_CONFIGS, type TopicConfigDefinition } from './topic-config-table.ts'

/** Where a value comes from: the topic itself, the broker's configs, or Kafka's default. */
export type TopicConfigSource = 'topic' | BrokerConfigSource | 'default'

export interface EffectiveValue {
  readonly value: string
  readonly source: TopicConfigSource
}

/** A topic's own setting first, then the broker's, then Kafka's default. */
export function effectiveValue(
  config: BrokerConfig,
  own: Readonly<Record<string, string>>,
  definition: TopicConfigDefinition,
): EffectiveValue {
  const value = own[definition.name]
  if (value !== undefined) return { value, source: 'topic' }
  for (const { name, factor } of definition.synonyms) {
    const set = config.explicit[name]
    if (set === undefined) continue
    const source = config.settings(name)[0]?.source ?? 'broker'
    return { value: factor === 1 ? set : scaled(set, factor), source }
  }
  return { value: definition.default, source: 'default' }
}

/** Hours in milliseconds, for instance; below zero means "for ever" in any unit. */
function scaled(value: string, factor: number): string {
  const number = BigInt(value.trim())
  return String(number < 0n ? -1n : number * BigInt(factor))
}

/** Why a topic cannot have these configs, or null. A null value is refused, as in Kafka. */
export function whyNotTopicConfigs(
  config: BrokerConfig,
  own: readonly { readonly name: string; readonly value: string | null }[],
): string | null {
  const nulls = own.filter(({ value }) => value === null).map(({ name }) => name)
  if (nulls.length > 0) return `Null value not supported for topic configs: ${nulls.join(',')}`
  const values: Record<string, string> = {}
  for (const { name, value } of own) {
    const definition = TOPIC_CONFIGS.get(name)
    if (definition === undefined) return `Unknown topic config name: ${name}`
    const why = whyNotValue(definition, value ?? '')
    if (why !== null) return why
    values[name] = value ?? ''
  }
  return whyNotTogether((name) => effectiveOf(config, values, name))
}

function effectiveOf(
  config: BrokerConfig,
  own: Readonly<Record<string, string>>,
  name: string,
): string {
  return effectiveValue(config, own, present(TOPIC_CONFIGS.get(name), `config ${name}`)).value
}

/** Configs that are fine on their own, but not beside each other. */
function whyNotTogether(get: (name: string) => string): string | null {
  const lagMin = get('min.compaction.lag.ms')
  const lagMax = get('max.compaction.lag.ms')
  if (Number(lagMin) > Number(lagMax)) {
    return (
      `conflict topic config setting min.compaction.lag.ms (${lagMin}) > ` +
      `max.compaction.lag.ms (${lagMax})`
    )
  }
  if (get('remote.storage.enable').trim().toLowerCase() === 'true') {
    return 'remote.storage.enable cannot be set: all data is in object storage already'
  }
  return whyNotPacking(get)
}

/** The settings of a topic that the hot path needs, resolved once per change of the topic. */
export type TopicSettings = BatchRules

const resolved = new WeakMap<TopicEntry, { settings: TopicSettings; brokerState: object }>()

/** What a topic's configs come to. */
export function topicSettings(config: BrokerConfig, topic: TopicEntry): TopicSettings {
  const known = resolved.get(topic)
  const brokerState = config.state
  if (known !== undefined && known.brokerState === brokerState) return known.settings
  const get = (name: string): string => effectiveOf(config, topic.configs, name)
  const settings = batchRules(get)
  // Topic entries are immutable values, and so are a broker's states: another setting, another one.
  resolved.set(topic, { settings, brokerState })
  return settings
}
