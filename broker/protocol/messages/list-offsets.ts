import {
  array,
  field,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  int64,
  int64OrMax,
  message,
  string,
} from '../schema.ts'

/**
 * v2: isolation level. v4: leader epoch. v7: KIP-734, timestamp -3. v8: KIP-405, -4. v9: KIP-1005, -5.
 * v10: KIP-1075 timeout. v11: KIP-1023, -6.
 */
export const listOffsetsRequest = message(
  { name: 'ListOffsetsRequest', key: 2, versions: [1, 11], flexibleFrom: 6 },
  {
    replicaId: int32,
    isolationLevel: field(int8, { from: 2 }),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        currentLeaderEpoch: field(int32, { from: 4, default: -1 }),
        // Some clients ask for the time "as late as can be", 2^63-1, to get the end.
        timestamp: int64OrMax,
      }),
    }),
    timeoutMs: field(int32, { from: 10 }),
  },
)

export const listOffsetsResponse = message(
  { name: 'ListOffsetsResponse', key: 2, versions: [1, 11], flexibleFrom: 6 },
  {
    throttleTimeMs: field(int32, { from: 2 }),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        timestamp: field(int64, { default: -1 }),
        offset: field(int64, { default: -1 }),
        leaderEpoch: field(int32, { from: 4, default: -1 }),
      }),
    }),
  },
)

export type ListOffsetsRequest = Infer<typeof listOffsetsRequest>
export type ListOffsetsResponse = Input<typeof listOffsetsResponse>
