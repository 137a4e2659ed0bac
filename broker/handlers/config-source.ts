import type { TopicConfigSource } from '../config/topic-config.ts'

/** Kafka's numbers of where a config's value comes from (DescribeConfigsResponse.ConfigSource). */
export const CONFIG_SOURCE = {
  topic: 1,
  'dynamic-broker': 2,
  'dynamic-default': 3,
  broker: 4,
  default: 5,
  logger: 6,
  'client-metrics': 7,
  group: 8,
} as const satisfies Record<TopicConfigSource | 'logger' | 'client-metrics' | 'group', number>
