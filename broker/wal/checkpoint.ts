import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import { corrupt, decodeFramed, encodeFramed } from '../../metadata/framing.ts'
import { seqOfKey } from '../../metadata/keys.ts'
import { type ObjectIdentity, objectKind } from '../../object-store/header.ts'
import type { Body } from '../../object-store/store.ts'
import type { PartitionEpoch } from './log-object.ts'

/**
 * One partition's part of a checkpoint. `closed` is the state of an epoch that the node has closed
 * and that some owner may still have to read (R4); otherwise the partition is open in that epoch.
 */
export interface CheckpointEntry extends PartitionEpoch {
  readonly closed: boolean
  readonly state: Buffer
}

const VERSION = 1
/** Far more than a node's partitions take; a lying length must not be believed. */
const CHECKPOINT_BYTES_MAX = 0x1fff_ffe8

/**
 * A node's checkpoint as of WAL seq `identity.seq`: everything that is durable up to and including
 * that object, so that recovery begins with the next one.
 *
 * Framed as everything in metadata/framing.ts.
 */
export function encodeCheckpoint(
  identity: ObjectIdentity,
  entries: readonly CheckpointEntry[],
): Body {
  const writer = new ByteWriter(4096)
  writer.uint8(VERSION)
  writer.uint32(entries.length)
  for (const entry of entries) {
    writer.uuid(entry.topicId)
    writer.varint(entry.partition)
    writer.varint(entry.leaderEpoch)
    writer.uint8(entry.closed ? 1 : 0)
    writer.varint(entry.state.length)
    writer.bytes(entry.state)
  }
  return encodeFramed(objectKind.checkpoint, identity, writer.finish())
}

/** Reads a checkpoint. Throws StoreError `corrupt`, naming the key. */
export function decodeCheckpoint(key: string, bytes: Buffer): CheckpointEntry[] {
  const { payload } = decodeFramed(key, bytes, {
    kind: objectKind.checkpoint,
    seq: seqOfKey(key),
    bytesMax: CHECKPOINT_BYTES_MAX,
  })
  if (payload[0] !== VERSION) throw corrupt(key, 'its version is unknown to this release')
  try {
    return readEntries(new ByteReader(payload, 1))
  } catch (error) {
    // By name: two copies of a class may be loaded in a test run.
    if ((error as Error).name !== 'RangeError') throw error
    throw corrupt(key, (error as Error).message, error)
  }
}

/** Throws RangeError on what is no list of entries. */
function readEntries(reader: ByteReader): CheckpointEntry[] {
  const count = reader.uint32()
  const entries: CheckpointEntry[] = []
  for (let i = 0; i < count; i++) {
    const topicId = reader.uuid()
    const partition = reader.varint()
    const leaderEpoch = reader.varint()
    const closed = reader.uint8() === 1
    const state = reader.bytes(reader.varint())
    entries.push({ topicId, partition, leaderEpoch, closed, state })
  }
  if (reader.remaining > 0) throw new RangeError('there is something behind its entries')
  return entries
}
