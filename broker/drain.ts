import { type Clock, sleep } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { spread } from '../controller/balancer.ts'
import {
  ableNodes,
  ownedCounts,
  OWNERSHIPS_PER_BATCH_MAX,
  partitionsOwnedBy,
  succession,
} from '../controller/takeover.ts'
import type { ImageState } from '../metadata/image.ts'
import type { MetadataLog } from '../metadata/log.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import type { Checkpointer } from './partition/checkpointer.ts'
import type { PartitionManager } from './partition/partition-manager.ts'
import type { WalWriter } from './wal/writer.ts'

const LOOK_MS = 20

/** What a drain needs of a node. */
export interface DrainedNode {
  readonly nodeId: number
  readonly log: MetadataLog
  readonly wal: WalWriter
  readonly partitions: PartitionManager
  readonly checkpointer: Checkpointer
  readonly clock: Clock
  readonly options: { readonly logger: Logger }
  readonly hasEnded: boolean
  /** Set before the node is sealed, so that finding itself sealed is no surprise. */
  sealing: boolean
}

/** Moves of what may move now to the other nodes (R8: `from` must be empty), a batch of them. */
function movesAway(image: ImageState, nodeId: number): MetadataRecord[] {
  const others = ableNodes(image).filter((node) => node.nodeId !== nodeId)
  if (others.length === 0) return []
  const counts = ownedCounts(image)
  const movable = partitionsOwnedBy(image, new Set([nodeId]))
    .filter(({ ownership }) => ownership.from.length === 0)
    .slice(0, OWNERSHIPS_PER_BATCH_MAX)
  const bins = others.map((node) => ({ nodeId: node.nodeId, count: counts.get(node.nodeId) ?? 0 }))
  const targets = spread(movable.length, bins)
  return movable.flatMap((owned, i) => {
    const target = targets[i]
    return target === undefined ? [] : [succession(owned, target)]
  })
}

/**
 * Empties a node and seals it: SIGTERM needs no controller (design §8). Where no other node is
 * left, it closes nothing: it writes a checkpoint and a fence, and the next node to come goes on.
 */
export async function drainNode(node: DrainedNode, timeoutMs: number): Promise<void> {
  const { nodeId, log, clock } = node
  const { logger } = node.options
  const endMs = clock.nowMs() + timeoutMs
  const startMs = clock.nowMs()
  const partitions = node.partitions.size
  try {
    await log.append((image) =>
      image.nodes.get(nodeId)?.state === 'active'
        ? [{ type: 'node-draining', nodeId, draining: true }]
        : null,
    )
    while (clock.nowMs() < endMs && !node.hasEnded) {
      if (movesAway(log.image, nodeId).length > 0) {
        await log.append((image) => movesAway(image, nodeId))
      }
      if (node.partitions.size === 0 || ableNodes(log.image).every((n) => n.nodeId === nodeId))
        break
      await sleep(clock, LOOK_MS)
    }
    if (node.hasEnded) return
    // Whatever could not be given away stays readable in the WAL, up to the fence.
    node.partitions.freeze()
    await node.wal.whenIdle()
    if (node.hasEnded) return
    await node.checkpointer.flush()
    const left = node.partitions.size
    node.sealing = true
    node.partitions.stop()
    const sealedEnd = await node.wal.seal()
    await log.append((image) => {
      const state = image.nodes.get(nodeId)?.state
      // Somebody was faster, and may have forgotten the node since.
      const isOver = state === undefined || state === 'sealed'
      return isOver ? null : [{ type: 'node-sealed', nodeId, sealedEnd }]
    })
    const durationMs = Math.round(clock.nowMs() - startMs)
    logger.info('drained and sealed', { partitions, left, durationMs })
  } catch (error) {
    logger.warn('the drain was cut short; other nodes take over from the bucket', { error })
  }
}
