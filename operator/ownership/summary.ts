import { configsOf } from '../../broker/config/stored-configs.ts'
import type { Image } from '../../metadata/image.ts'

/** A node of the metadata log that is not forgotten. */
export interface ObservedNode {
  readonly nodeId: number
  /** The address other brokers call it by: its pod's. */
  readonly host: string
  readonly state: 'active' | 'draining' | 'sealed'
  readonly partitions: number
}

/** The ownership map and what else of the metadata log scaling needs, summed up. */
export interface ObservedOwnership {
  readonly clusterId: string
  readonly nodes: readonly ObservedNode[]
  /** The node that holds the controller; null if it is the operator, or nobody. */
  readonly controllerNodeId: number | null
  /** Kafka's cluster-wide dynamic configs of brokers. */
  readonly configs: Readonly<Record<string, string>>
  /** Whether no partition is on its way, and none has to leave where it is. */
  readonly isBalanced: boolean
}

/** Sums an image up; it looks at every partition once. */
export function summaryOf(image: Image): ObservedOwnership {
  const counts = new Map<number, number>()
  let isMoving = false
  for (const { partitions } of image.topics.values()) {
    for (const { nodeId, from } of partitions) {
      counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
      if (from.length > 0) isMoving = true
    }
  }
  const nodes = [...image.nodes.values()].map(({ nodeId, address, state }) => ({
    nodeId,
    host: address.internalHost,
    state,
    partitions: counts.get(nodeId) ?? 0,
  }))
  const mustLeave = nodes.some(({ state, partitions }) => state !== 'active' && partitions > 0)
  return {
    clusterId: image.scalars.clusterId ?? '',
    nodes,
    controllerNodeId: image.scalars.controller?.nodeId ?? null,
    configs: Object.fromEntries(configsOf(image.configs, 'broker', '')),
    isBalanced: !isMoving && !mustLeave,
  }
}
