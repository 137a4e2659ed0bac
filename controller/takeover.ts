import type { ImageState, NodeEntry } from '../metadata/image.ts'
import type { MetadataLog } from '../metadata/log.ts'
import type { MetadataRecord, Ownership } from '../metadata/records.ts'
import { type FenceOptions, fenceNode } from './fence.ts'
import { spread } from './balancer.ts'

/**
 * Ownerships changed in one batch, at most; the rest of a very large node's partitions follow in the
 * next. A batch of 8 MiB leaves each 800 bytes, enough for a hundred nodes that hold its data.
 */
export const OWNERSHIPS_PER_BATCH_MAX = 10_000

/** A partition with its place in the ownership map. */
export interface OwnedPartition {
  readonly topicId: string
  readonly partition: number
  readonly ownership: Ownership
}

/** Every partition of the nodes in `nodeIds`, in a fixed order. */
export function partitionsOwnedBy(
  image: ImageState,
  nodeIds: ReadonlySet<number>,
): OwnedPartition[] {
  const owned: OwnedPartition[] = []
  for (const { topicId, partitions } of image.topics.values()) {
    partitions.forEach((ownership, partition) => {
      if (nodeIds.has(ownership.nodeId)) owned.push({ topicId, partition, ownership })
    })
  }
  return owned
}

/** The record that makes `target` the next owner (R1, R5). */
export function succession(owned: OwnedPartition, target: number): MetadataRecord {
  const { topicId, partition, ownership } = owned
  const { nodeId, leaderEpoch, from, refs } = ownership
  return {
    type: 'ownership',
    topicId,
    partition,
    nodeId: target,
    leaderEpoch: leaderEpoch + 1,
    from: [{ nodeId, leaderEpoch }, ...from],
    refs: [...new Set([...refs, nodeId])].filter((id) => id !== target),
  }
}

/** The nodes that may be given partitions. */
export function ableNodes(image: ImageState): NodeEntry[] {
  return [...image.nodes.values()].filter(({ state }) => state === 'active')
}

/**
 * Gives every partition of the nodes in `nodeIds` to those of `targets` that may own any on `image`:
 * whoever chose them may have looked at an older one. Sealed nodes are left owning something when
 * all nodes were down, and then the next one to come takes everything.
 */
export function reassignFrom(
  image: ImageState,
  nodeIds: ReadonlySet<number>,
  targets: readonly number[],
): MetadataRecord[] {
  const owned = partitionsOwnedBy(image, nodeIds).slice(0, OWNERSHIPS_PER_BATCH_MAX)
  const bins = targets
    .filter((nodeId) => !nodeIds.has(nodeId) && image.nodes.get(nodeId)?.state === 'active')
    .map((nodeId) => ({ nodeId, count: image.ownedCounts.get(nodeId) ?? 0 }))
  const chosen = spread(owned.length, bins)
  return chosen.map((target, i) => succession(owned[i] as OwnedPartition, target))
}

/**
 * Takes a node over whole: fences its WAL, then seals it and gives its partitions away, in one
 * batch (R8): the end that others read up to is the image's from then on (R3). Harmless for a node
 * that is alive: it notices the fence and starts again as another.
 */
export async function takeOver(
  log: MetadataLog,
  nodeId: number,
  options: FenceOptions & { targets: () => readonly number[] },
): Promise<{ sealedEnd: number; partitions: number } | null> {
  if ((log.image.nodes.get(nodeId)?.state ?? 'sealed') === 'sealed') return null
  const sealedEnd = await fenceNode(nodeId, options)
  let partitions = 0
  const { records } = await log.append((state: ImageState) => {
    const node = state.nodes.get(nodeId)
    if (node === undefined || node.state === 'sealed') return null
    const moves = reassignFrom(state, new Set([nodeId]), options.targets())
    partitions = moves.length
    return [{ type: 'node-sealed', nodeId, sealedEnd }, ...moves]
  })
  return records.length > 0 ? { sealedEnd, partitions } : null
}
