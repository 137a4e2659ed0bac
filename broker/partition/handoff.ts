import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import type { PartitionEpoch } from '../wal/log-object.ts'
import { epochKey } from './node-scan.ts'

/** The state of an epoch that its owner has closed, on its way to the next owner. */
export interface ClosedEpoch extends PartitionEpoch {
  readonly state: Buffer
}

/** A message stays below this size; what does not fit goes into the next one. */
const HANDOFF_BYTES_MAX = 4 * 1024 * 1024
/**
 * Bytes of hints that nobody has asked for; the oldest go first. Those that come after the WAL was
 * read instead are never asked for. A lost hint costs one read.
 */
const HINTS_BYTES_MAX = 64 * 1024 * 1024
/** What an entry takes beside its state. */
const HINT_OVERHEAD_BYTES = 256

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
  bytes = 0
  private readonly states = new Map<string, Buffer>()
  private readonly bytesMax: number

  constructor(bytesMax = HINTS_BYTES_MAX) {
    this.bytesMax = bytesMax
  }

  private static id(nodeId: number, epoch: PartitionEpoch): string {
    return `${nodeId}:${epochKey(epoch.topicId, epoch.partition, epoch.leaderEpoch)}`
  }

  add(nodeId: number, epochs: readonly ClosedEpoch[]): void {
    for (const epoch of epochs) {
      const id = Hints.id(nodeId, epoch)
      this.drop(id)
      // A copy: one that stays must not pin the whole message, with the states of all the others.
      this.states.set(id, Buffer.from(epoch.state))
      this.bytes += epoch.state.length + HINT_OVERHEAD_BYTES
    }
    for (const oldest of this.states.keys()) {
      if (this.bytes <= this.bytesMax) break
      this.drop(oldest)
    }
  }

  private drop(id: string): Buffer | null {
    const state = this.states.get(id)
    if (state === undefined) return null
    this.states.delete(id)
    this.bytes -= state.length + HINT_OVERHEAD_BYTES
    return state
  }

  /** The hint for an epoch of a node, or null. It is given out once. */
  take(nodeId: number, epoch: PartitionEpoch): Buffer | null {
    return this.drop(Hints.id(nodeId, epoch))
  }
}
