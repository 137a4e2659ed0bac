import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import { crc32c } from '../../base/crc32c.ts'
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  type ObjectIdentity,
  objectKind,
} from '../../object-store/header.ts'
import { type Body, StoreError } from '../../object-store/store.ts'

/**
 * One partition's part of a checkpoint. `closed` is the state of an epoch that the node has closed
 * and that some owner may still have to read (R4); otherwise the partition is open in that epoch.
 */
export interface CheckpointEntry {
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly closed: boolean
  readonly state: Buffer
}

const VERSION = 1

/**
 * A node's checkpoint as of WAL seq `identity.seq`: everything that is durable up to and including
 * that object, so that recovery begins with the next one.
 *
 * Header (kind checkpoint; own: payload length u32, payload CRC32C u32), then the payload.
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
  const payload = writer.finish()
  const own = Buffer.alloc(8)
  own.writeUInt32BE(payload.length, 0)
  own.writeUInt32BE(crc32c(payload), 4)
  return [encodeHeader(objectKind.checkpoint, identity, own), payload]
}

/** Reads a checkpoint. Throws StoreError `corrupt`, naming the key. */
export function decodeCheckpoint(key: string, bytes: Buffer): CheckpointEntry[] {
  const refuse = (why: string): never => {
    throw new StoreError('corrupt', key, `checkpoint ${key} is not readable: ${why}`)
  }
  const header = decodeHeader(key, bytes)
  if (header.kind !== objectKind.checkpoint) refuse('it is another kind of object')
  const payload = bytes.subarray(HEADER_BYTES)
  if (payload.length !== header.own.readUInt32BE(0)) refuse('its length differs')
  if (crc32c(payload) !== header.own.readUInt32BE(4)) refuse('its checksum differs')
  const reader = new ByteReader(payload)
  if (reader.uint8() !== VERSION) refuse('its version is unknown to this release')
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
  return entries
}
