import { codecOf, DecodeError, encodeToBuffer, isValidVersion } from '../protocol/codec.ts'
import {
  type GroupMetadataValue,
  groupMetadataKey,
  groupMetadataValue,
  type OffsetCommitValue,
  offsetCommitKey,
  offsetCommitValue,
} from '../protocol/messages/group-records.ts'
import type { DecodedRecord } from '../protocol/record-batch.ts'

/** A record of `__consumer_offsets`. A value of null deletes what was there. */
export type GroupRecord = OffsetRecord | MetadataRecord

export interface OffsetRecord {
  readonly type: 'offset'
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  readonly value: OffsetCommitValue | null
}

export interface MetadataRecord {
  readonly type: 'group'
  readonly groupId: string
  readonly value: GroupMetadataValue | null
}

/** As Kafka 4.3 writes them; readers take older ones too. */
const METADATA_VERSION = 3
const OFFSET_VERSION = 4
const OFFSET_VERSION_EXPIRING = 1

const KEY_VERSION = 0
const PREFIX_BYTES = 2

function prefixed(prefix: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + body.length)
  bytes.writeInt16BE(prefix, 0)
  body.copy(bytes, PREFIX_BYTES)
  return bytes
}

export function encodeGroupRecord(record: GroupRecord): { key: Buffer; value: Buffer | null } {
  if (record.type === 'group') {
    const key = encodeToBuffer(groupMetadataKey, KEY_VERSION, { group: record.groupId })
    const { value } = record
    return {
      key: prefixed(groupMetadataKey.key, key),
      value:
        value &&
        prefixed(METADATA_VERSION, encodeToBuffer(groupMetadataValue, METADATA_VERSION, value)),
    }
  }
  const { groupId: group, topic, partition, value } = record
  const key = encodeToBuffer(offsetCommitKey, KEY_VERSION, { group, topic, partition })
  const isExpiring = value !== null && value.expireTimestamp !== -1
  const version = isExpiring ? OFFSET_VERSION_EXPIRING : OFFSET_VERSION
  return {
    key: prefixed(offsetCommitKey.key, key),
    value: value && prefixed(version, encodeToBuffer(offsetCommitValue, version, value)),
  }
}

/**
 * Reads a record, or returns null for one of a kind that this release does not know. Throws
 * DecodeError. Bytes in it are copies: what is kept must not pin what was read.
 */
export function decodeGroupRecord(record: DecodedRecord): GroupRecord | null {
  const { key, value } = record
  if (key === null || key.length < PREFIX_BYTES) return null
  const kind = key.readInt16BE(0)
  if (value !== null && value.length < PREFIX_BYTES) throw new DecodeError('a value has no version')
  const valueVersion = value === null ? 0 : value.readInt16BE(0)
  if (kind === groupMetadataKey.key) {
    if (!isValidVersion(groupMetadataValue, valueVersion)) return null
    const { group: groupId } = codecOf(groupMetadataKey, KEY_VERSION).decode(key, PREFIX_BYTES)
    if (value === null) return { type: 'group', groupId, value }
    const decoded = codecOf(groupMetadataValue, valueVersion).decode(value, PREFIX_BYTES)
    const members = decoded.members.map((member) => ({
      ...member,
      subscription: Buffer.from(member.subscription),
      assignment: Buffer.from(member.assignment),
    }))
    return { type: 'group', groupId, value: { ...decoded, members } }
  }
  // Kafka's oldest offsets have key 0; what they say is the same.
  if (kind !== offsetCommitKey.key && kind !== 0) return null
  if (!isValidVersion(offsetCommitValue, valueVersion)) return null
  const decodedKey = codecOf(offsetCommitKey, KEY_VERSION).decode(key, PREFIX_BYTES)
  const { group: groupId, topic, partition } = decodedKey
  const decoded =
    value === null ? null : codecOf(offsetCommitValue, valueVersion).decode(value, PREFIX_BYTES)
  return { type: 'offset', groupId, topic, partition, value: decoded }
}

/** About how many bytes the record takes in the log. */
export function recordBytes(record: GroupRecord): number {
  if (record.type === 'offset') {
    const { groupId, topic, value } = record
    return 48 + groupId.length + topic.length + (value?.metadata.length ?? 0)
  }
  let bytes = 48 + record.groupId.length
  for (const member of record.value?.members ?? []) {
    bytes += 64 + member.memberId.length + member.subscription.length + member.assignment.length
  }
  return bytes
}
