import type { Broker } from './context.ts'

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
  if (Number(name) === nodeId) return null
  return `Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`
}
