import type { ImageState } from '../../metadata/image.ts'
import { addressFor } from '../../metadata/records.ts'

/**
 * Nodes whose address on this listener belongs to a newer node: a process was started anew where
 * they were, and they are dead, though nobody has taken them over yet. Clients must not hear of two
 * nodes with one address: kafkajs makes one of them, and loses what it should send to the other.
 * In Kafka that cannot be, as a broker that comes back has its old id.
 */
export function replacedNodes(image: ImageState, listener: string): ReadonlySet<number> {
  const newest = new Map<string, number>()
  const replaced = new Set<number>()
  for (const { nodeId, state, address } of image.nodes.values()) {
    const found = state === 'sealed' ? null : addressFor(address, listener)
    if (found === null) continue
    const key = `${found.host}:${found.port}`
    const other = newest.get(key) ?? -1
    if (other >= 0) replaced.add(Math.min(other, nodeId))
    newest.set(key, Math.max(other, nodeId))
  }
  return replaced
}
