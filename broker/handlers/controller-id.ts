import { type Broker, endpointOf } from './context.ts'

/**
 * The node that clients of this listener are told is the controller, to send it what changes the
 * cluster. Any broker takes that, so this one is named where nobody holds the controller who could
 * be reached: the operator is no node, and a holder that died is replaced only after a while.
 */
export function controllerIdFor({ node }: Broker, listener: string): number {
  const nodeId = node.image.scalars.controller?.nodeId ?? null
  const holder = nodeId === null ? null : endpointOf(node.image, nodeId, listener)
  return holder === null ? node.nodeId : holder.nodeId
}
