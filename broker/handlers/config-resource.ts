import type { ImageState } from '../../metadata/image.ts'
import { dynamicConfigs } from '../config/broker-config.ts'
import { CLIENT_METRICS_CONFIGS, clientMetricsConfigs } from '../config/client-metrics-config.ts'
import type { ConfigDefinition } from '../config/config-definition.ts'
import { brokerDefinition } from '../config/dynamic-configs.ts'
import { groupConfigs } from '../config/group-config.ts'
import { GROUP_CONFIGS } from '../config/group-config-table.ts'
import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import { type Broker, findTopic } from './context.ts'

/** Kafka's numbers of kinds of resources that have configs (ConfigResource.Type). */
export const RESOURCE = {
  topic: 2,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const

/** Why a resource of that name is not the broker that was asked, or null. */
export function whyNotThisBroker(broker: Broker, name: string): string | null {
  if (!/^[+-]?[0-9]+$/.test(name)) return `Broker id must be an integer, but it is: ${name}`
  const { nodeId } = broker.node
  if (name === String(nodeId)) return null
  return `Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`
}

/** What is set of a resource itself; null for a topic that is not there. */
export function ownConfigs(
  image: ImageState,
  resourceType: number,
  name: string,
): Readonly<Record<string, string>> | null {
  switch (resourceType) {
    case RESOURCE.topic:
      return findTopic(image, { name })?.configs ?? null
    case RESOURCE.broker:
      return dynamicConfigs(image.configs, name)
    case RESOURCE.group:
      return groupConfigs(image.configs, name)
    default:
      return clientMetricsConfigs(image.configs, name)
  }
}

/** What is known of the configs of a kind of resource, by name. */
export function definitionsOf(
  resourceType: number,
): (name: string) => ConfigDefinition | undefined {
  switch (resourceType) {
    case RESOURCE.topic:
      return (name) => TOPIC_CONFIGS.get(name)
    case RESOURCE.broker:
      return brokerDefinition
    case RESOURCE.group:
      return (name) => GROUP_CONFIGS.get(name)
    default:
      return (name) => CLIENT_METRICS_CONFIGS.get(name)
  }
}
