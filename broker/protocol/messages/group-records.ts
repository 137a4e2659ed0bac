/**
 * The records of `__consumer_offsets`, as Kafka writes them. A record's key and its value begin with
 * an int16 that these tables do not have: in a key it says which kind of record it is (`key` here),
 * in a value its version.
 */
import {
  array,
  bytes,
  field,
  type Infer,
  int32,
  int64,
  message,
  nullable,
  string,
  tagged,
  uuid,
} from '../schema.ts'

export const offsetCommitKey = message(
  { name: 'OffsetCommitKey', key: 1, versions: [0, 0], flexibleFrom: null },
  { group: string, topic: string, partition: int32 },
)

/** v1 alone has a time of expiry: commits of clients that asked for a retention of their own. */
export const offsetCommitValue = message(
  { name: 'OffsetCommitValue', key: 1, versions: [0, 4], flexibleFrom: 4 },
  {
    offset: int64,
    leaderEpoch: field(int32, { from: 3, default: -1 }),
    metadata: string,
    commitTimestamp: int64,
    expireTimestamp: field(int64, { from: 1, to: 1, default: -1 }),
    topicId: tagged(0, uuid, { from: 4 }),
  },
)

export const groupMetadataKey = message(
  { name: 'GroupMetadataKey', key: 2, versions: [0, 0], flexibleFrom: null },
  { group: string },
)

export const groupMetadataValue = message(
  { name: 'GroupMetadataValue', key: 2, versions: [0, 4], flexibleFrom: 4 },
  {
    protocolType: string,
    generation: int32,
    protocol: nullable(string),
    leader: nullable(string),
    currentStateTimestamp: field(int64, { from: 2, default: -1 }),
    members: array({
      memberId: string,
      groupInstanceId: field(nullable(string), { from: 3, default: null }),
      clientId: string,
      clientHost: string,
      rebalanceTimeout: field(int32, { from: 1, default: -1 }),
      sessionTimeout: int32,
      subscription: bytes,
      assignment: bytes,
    }),
  },
)

export type OffsetCommitValue = Infer<typeof offsetCommitValue>
export type GroupMetadataValue = Infer<typeof groupMetadataValue>
