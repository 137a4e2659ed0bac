import type { TopicConfigSource } from '../config/topic-config.ts'

/** Kafka's numbers of where a config's value comes from (DescribeConfigsResponse.ConfigSource). */
export const CONFIG_SOURCE = {
  topic: 1,
  broker: 4,
  default: 5,
} as const satisfies Record<TopicConfigSource, number>
