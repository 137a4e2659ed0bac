import { type Broker, endpointOf } from './context.ts'
import { replacedNodes } from './replaced-nodes.ts'

/**
 * The node that clients of this listener are told is the controller, to send it what changes the
 * cluster. Any broker takes that, so it is this one: it lives. Whoever truly holds the controller may
 * have died a moment ago, and clients that hold on to it (librdkafka's AdminClient does, for minutes)
 * would send nothing to anybody. A broker that is leaving, or does not get to the store, names another.
 */
export function controllerIdFor({ node }: Broker, listener: string): number {
  const { image, nodeId } = node
  const stays = !node.draining && image.nodes.get(nodeId)?.state === 'active'
  if (stays && node.isFresh) return nodeId
  const replaced = replacedNodes(image, listener)
  for (const other of image.nodes.values()) {
    if (other.nodeId === nodeId || other.state !== 'active' || replaced.has(other.nodeId)) continue
    if (endpointOf(image, other.nodeId, listener) !== null) return other.nodeId
  }
  return nodeId
}
