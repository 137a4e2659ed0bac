import {
  array,
  bool,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  int64,
  message,
  nullable,
  string,
  uuid,
} from '../schema.ts'

/**
 * v2: null for all topics. v7: KIP-447, stable offsets only. v8: KIP-709, several groups. v9:
 * KIP-848, members. v10: topic ids.
 */
export const offsetFetchRequest = message(
  { name: 'OffsetFetchRequest', key: 9, versions: [1, 10], flexibleFrom: 6 },
  {
    groupId: field(string, { to: 7 }),
    topics: field(
      nullable(
        array({
          name: string,
          partitionIndexes: array(int32),
        }),
        { from: 2 },
      ),
      { to: 7 },
    ),
    groups: field(
      array({
        groupId: string,
        memberId: field(nullable(string), { from: 9, default: null }),
        memberEpoch: field(int32, { from: 9, default: -1 }),
        topics: nullable(
          array({
            name: field(string, { to: 9 }),
            topicId: field(uuid, { from: 10 }),
            partitionIndexes: array(int32),
          }),
        ),
      }),
      { from: 8 },
    ),
    requireStable: field(bool, { from: 7 }),
  },
)

/** v2: a top-level error. v5: leader epoch. v8: several groups. v10: topic ids. */
export const offsetFetchResponse = message(
  { name: 'OffsetFetchResponse', key: 9, versions: [1, 10], flexibleFrom: 6 },
  {
    throttleTimeMs: field(int32, { from: 3 }),
    topics: field(
      array({
        name: string,
        partitions: array({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: field(int32, { from: 5, default: -1 }),
          metadata: nullable(string),
          errorCode: int16,
        }),
      }),
      { to: 7 },
    ),
    errorCode: field(int16, { from: 2, to: 7 }),
    groups: field(
      array({
        groupId: string,
        topics: array({
          name: field(string, { to: 9 }),
          topicId: field(uuid, { from: 10 }),
          partitions: array({
            partitionIndex: int32,
            committedOffset: int64,
            committedLeaderEpoch: field(int32, { default: -1 }),
            metadata: nullable(string),
            errorCode: int16,
          }),
        }),
        errorCode: field(int16, {}),
      }),
      { from: 8 },
    ),
  },
)

export type OffsetFetchRequest = Infer<typeof offsetFetchRequest>
export type OffsetFetchResponse = Input<typeof offsetFetchResponse>
