import { type Clock, sleep } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { MOVES_PER_SOURCE_MAX, spread } from '../controller/balancer.ts'
import { ableNodes, partitionsOwnedBy, succession } from '../controller/takeover.ts'
import type { ImageState } from '../metadata/image.ts'
import type { MetadataLog } from '../metadata/log.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import type { Checkpointer } from './partition/checkpointer.ts'
import type { PartitionManager } from './partition/partition-manager.ts'
import type { WalWriter } from './wal/writer.ts'

/** How soon a drain looks again whether what it gave away is closed. */
const CLOSED_LOOK_MS = 5
/** How soon it looks again when nothing may move: that means to look at every partition there is. */
const LOOK_MS = 20
/** A drain goes in so many steps at most, however many partitions there are. */
const STEPS_MAX = 50

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

/** Moves of what may move now to the other nodes (R8: `from` must be empty), `count` at most. */
function movesAway(image: ImageState, nodeId: number, count: number): MetadataRecord[] {
  const others = ableNodes(image).filter((node) => node.nodeId !== nodeId)
  if (others.length === 0) return []
  const movable = partitionsOwnedBy(image, new Set([nodeId]))
    .filter(({ ownership }) => ownership.from.length === 0)
    .slice(0, count)
  const bins = others.map((node) => ({
    nodeId: node.nodeId,
    count: image.ownedCounts.get(node.nodeId) ?? 0,
  }))
  const targets = spread(movable.length, bins)
  return movable.flatMap((owned, i) => {
    const target = targets[i]
    return target === undefined ? [] : [succession(owned, target)]
  })
}

/**
 * Gives away `count` partitions, and waits until they are closed. Their closes travel in one log
 * object, which does not wait for more. All partitions at once would be over a little sooner, but
 * each of them would serve nobody for nearly all of that time. Returns whether any moved.
 */
async function moveStep(node: DrainedNode, count: number, endMs: number): Promise<boolean> {
  const { nodeId, log, clock, partitions } = node
  if (movesAway(log.image, nodeId, 1).length === 0) return false
  const { records } = await log.append((image) => movesAway(image, nodeId, count))
  node.wal.flushSoon()
  const isHere = (record: MetadataRecord): boolean =>
    record.type === 'ownership' && partitions.get(record.topicId, record.partition) !== undefined
  while (records.some(isHere) && clock.nowMs() < endMs && !node.hasEnded) {
    await sleep(clock, CLOSED_LOOK_MS)
  }
  return records.length > 0
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
    const stepPartitions = Math.max(MOVES_PER_SOURCE_MAX, Math.ceil(partitions / STEPS_MAX))
    while (clock.nowMs() < endMs && !node.hasEnded) {
      const isMoving = await moveStep(node, stepPartitions, endMs)
      if (node.partitions.size === 0 || ableNodes(log.image).every((n) => n.nodeId === nodeId))
        break
      if (!isMoving) await sleep(clock, LOOK_MS)
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
