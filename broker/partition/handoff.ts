import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import { epochKey } from './node-scan.ts'

/** The state of an epoch that its owner has closed, on its way to the next owner. */
export interface ClosedEpoch {
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly state: Buffer
}

/** A message stays below this size; what does not fit goes into the next one. */
const HANDOFF_BYTES_MAX = 4 * 1024 * 1024
/** Hints that nobody has asked for yet; the oldest go first. A lost hint costs one read. */
const HINTS_MAX = 100_000

/** The body of a handoff call: from `nodeId`, the closed epochs. */
function encodeHandoff(nodeId: number, epochs: readonly ClosedEpoch[]): Buffer {
  const writer = new ByteWriter(4096)
  writer.int32(nodeId)
  writer.uint32(epochs.length)
  for (const { topicId, partition, leaderEpoch, state } of epochs) {
    writer.uuid(topicId)
    writer.varint(partition)
    writer.varint(leaderEpoch)
    writer.varint(state.length)
    writer.bytes(state)
  }
  return writer.finish()
}

/** Throws RangeError on bytes that are no handoff. The states are views. */
export function decodeHandoff(body: Buffer): { nodeId: number; epochs: ClosedEpoch[] } {
  const reader = new ByteReader(body)
  const nodeId = reader.int32()
  const count = reader.uint32()
  const epochs: ClosedEpoch[] = []
  for (let i = 0; i < count; i++) {
    const topicId = reader.uuid()
    const partition = reader.varint()
    const leaderEpoch = reader.varint()
    const state = reader.bytes(reader.varint())
    epochs.push({ topicId, partition, leaderEpoch, state })
  }
  return { nodeId, epochs }
}

/** Splits `epochs` into messages of bounded size. */
export function* handoffMessages(nodeId: number, epochs: readonly ClosedEpoch[]): Iterable<Buffer> {
  let batch: ClosedEpoch[] = []
  let bytes = 0
  for (const epoch of epochs) {
    if (bytes + epoch.state.length > HANDOFF_BYTES_MAX && batch.length > 0) {
      yield encodeHandoff(nodeId, batch)
      batch = []
      bytes = 0
    }
    batch.push(epoch)
    bytes += epoch.state.length
  }
  if (batch.length > 0) yield encodeHandoff(nodeId, batch)
}

/**
 * Hints received: each replaces the reading of exactly one entry of `from`, in one node's WAL, for
 * one epoch (R1). They are sent only after the close they tell of is durable.
 */
export class Hints {
  private readonly states = new Map<string, Buffer>()

  private static id(nodeId: number, epoch: Omit<ClosedEpoch, 'state'>): string {
    return `${nodeId}:${epochKey(epoch.topicId, epoch.partition, epoch.leaderEpoch)}`
  }

  add(nodeId: number, epochs: readonly ClosedEpoch[]): void {
    for (const epoch of epochs) this.states.set(Hints.id(nodeId, epoch), epoch.state)
    for (const oldest of this.states.keys()) {
      if (this.states.size <= HINTS_MAX) break
      this.states.delete(oldest)
    }
  }

  /** The hint for an epoch of a node, or null. It is given out once. */
  take(nodeId: number, epoch: Omit<ClosedEpoch, 'state'>): Buffer | null {
    const id = Hints.id(nodeId, epoch)
    const state = this.states.get(id)
    if (state === undefined) return null
    this.states.delete(id)
    return state
  }
}
