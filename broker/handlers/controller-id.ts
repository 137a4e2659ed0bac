import type { Broker } from './context.ts'

/**
 * The node that clients are told is the controller, to send it what changes the cluster. Any broker
 * takes that, so this one is named where nobody holds the controller who could be reached: the
 * operator is no node, and a holder that died is replaced only after a while.
 */
export function controllerIdFor({ node }: Broker): number {
  const nodeId = node.image.scalars.controller?.nodeId ?? null
  const holder = nodeId === null ? undefined : node.image.nodes.get(nodeId)
  return holder === undefined || holder.state === 'sealed' ? node.nodeId : holder.nodeId
}
