import {
  array,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  int64,
  int64OrMax,
  message,
  nullable,
  string,
  uuid,
} from '../schema.ts'

/** v5: no retention time. v6: leader epoch. v7: KIP-345, static members. v10: KIP-848, topic ids. */
export const offsetCommitRequest = message(
  { name: 'OffsetCommitRequest', key: 8, versions: [2, 10], flexibleFrom: 8 },
  {
    groupId: string,
    generationIdOrMemberEpoch: field(int32, { default: -1 }),
    memberId: string,
    groupInstanceId: field(nullable(string), { from: 7, default: null }),
    retentionTimeMs: field(int64OrMax, { from: 2, to: 4, default: -1 }),
    topics: array({
      name: field(string, { to: 9 }),
      topicId: field(uuid, { from: 10 }),
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: field(int32, { from: 6, default: -1 }),
        committedMetadata: nullable(string),
      }),
    }),
  },
)

export const offsetCommitResponse = message(
  { name: 'OffsetCommitResponse', key: 8, versions: [2, 10], flexibleFrom: 8 },
  {
    throttleTimeMs: field(int32, { from: 3 }),
    topics: array({
      name: field(string, { to: 9 }),
      topicId: field(uuid, { from: 10 }),
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
)

export type OffsetCommitRequest = Infer<typeof offsetCommitRequest>
export type OffsetCommitResponse = Input<typeof offsetCommitResponse>
