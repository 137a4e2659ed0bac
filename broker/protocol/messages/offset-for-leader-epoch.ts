import {
  array,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  int64,
  message,
  string,
} from '../schema.ts'

/** v2: KIP-320 current leader epoch. v3: replica id. v4: flexible. */
export const offsetForLeaderEpochRequest = message(
  { name: 'OffsetForLeaderEpochRequest', key: 23, versions: [2, 4], flexibleFrom: 4 },
  {
    replicaId: field(int32, { from: 3, default: -2 }),
    topics: array({
      topic: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: field(int32, { default: -1 }),
        leaderEpoch: int32,
      }),
    }),
  },
)

export const offsetForLeaderEpochResponse = message(
  { name: 'OffsetForLeaderEpochResponse', key: 23, versions: [2, 4], flexibleFrom: 4 },
  {
    throttleTimeMs: field(int32, {}),
    topics: array({
      topic: string,
      partitions: array({
        errorCode: int16,
        partition: int32,
        leaderEpoch: field(int32, { default: -1 }),
        endOffset: field(int64, { default: -1 }),
      }),
    }),
  },
)

export type OffsetForLeaderEpochRequest = Infer<typeof offsetForLeaderEpochRequest>
export type OffsetForLeaderEpochResponse = Input<typeof offsetForLeaderEpochResponse>
