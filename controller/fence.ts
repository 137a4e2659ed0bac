import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { seqOfKey, walKey, walPrefix } from '../metadata/keys.ts'
import { newestCheckpointSeq } from '../metadata/node-objects.ts'
import { createDecided } from '../object-store/create.ts'
import { encodeHeader, HEADER_BYTES, objectKind } from '../object-store/header.ts'
import type { ObjectStore } from '../object-store/store.ts'

export interface FenceOptions {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  /** Who fences: the taker's node id, or 0 for the operator. */
  readonly takerNodeId: number
}

/**
 * Ends a node's WAL: puts a fence at the first gap above its newest checkpoint, and returns the
 * seq of the fence, the sealed end. From then on no PUT of the node at or above it can be
 * acknowledged, since acknowledging goes in key order (key-order). Adopts the fence of another taker.
 */
export async function fenceNode(nodeId: number, options: FenceOptions): Promise<number> {
  const { store, clock, random, signal } = options
  for (;;) {
    const checkpointSeq = await newestCheckpointSeq(store, nodeId)
    const gap = await firstGap(store, nodeId, checkpointSeq + 1)
    let end = gap.seq
    for (let decided = gap.isFence; !decided; ) {
      const identity = { nodeId: options.takerNodeId, seq: end, nonce: random.bytes(16) }
      const body = [encodeHeader(objectKind.walFence, identity)]
      const result = await createDecided(store, walKey(nodeId, end), body, {
        clock,
        random,
        signal,
      })
      decided = result.outcome === 'written' || result.winner.kind === objectKind.walFence
      // The node lives and wrote this object while we looked: the gap is further up.
      if (!decided) end++
    }
    // A fence at or below a checkpoint lies on a key that was trimmed, and fences nobody (read-again).
    if ((await newestCheckpointSeq(store, nodeId)) < end) return end
  }
}

/** The first seq from `seq` on that holds no log object; `isFence` when a fence is there. */
async function firstGap(
  store: ObjectStore,
  nodeId: number,
  seq: number,
): Promise<{ seq: number; isFence: boolean }> {
  const prefix = walPrefix(nodeId)
  let expected = seq
  let startAfter = seq > 0 ? walKey(nodeId, seq - 1) : undefined
  for (;;) {
    const page = await store.list({ prefix, startAfter })
    for (const { key, sizeBytes } of page) {
      if (seqOfKey(key) !== expected) return { seq: expected, isFence: false }
      // Every log object with data is longer than its header; a fence is nothing else.
      if (sizeBytes === HEADER_BYTES) return { seq: expected, isFence: true }
      expected++
      startAfter = key
    }
    if (page.length === 0) return { seq: expected, isFence: false }
  }
}
