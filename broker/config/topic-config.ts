import type { TopicEntry } from '../../metadata/image.ts'
import type { BrokerConfig } from './broker-config.ts'

/** The settings of a topic that the hot path needs, resolved once per change of the topic. */
export interface TopicSettings {
  readonly messageBytesMax: number
  readonly logAppendTime: boolean
}

const resolved = new WeakMap<TopicEntry, TopicSettings>()

/** A topic's own configs first, then the broker's, then Kafka's defaults. */
export function topicSettings(config: BrokerConfig, topic: TopicEntry): TopicSettings {
  const known = resolved.get(topic)
  if (known !== undefined) return known
  const own = topic.configs
  const settings: TopicSettings = {
    messageBytesMax: Number(own['max.message.bytes'] ?? config.get('message.max.bytes')),
    logAppendTime:
      (own['message.timestamp.type'] ?? config.get('log.message.timestamp.type')) ===
      'LogAppendTime',
  }
  // Topic entries are immutable values: another setting is another entry.
  resolved.set(topic, settings)
  return settings
}
