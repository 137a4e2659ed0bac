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

/** KIP-107. v2: flexible. */
export const deleteRecordsRequest = message(
  { name: 'DeleteRecordsRequest', key: 21, versions: [0, 2], flexibleFrom: 2 },
  {
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        /** Records below are deleted; -1: all that are readable now. */
        offset: int64,
      }),
    }),
    timeoutMs: int32,
  },
)

export const deleteRecordsResponse = message(
  { name: 'DeleteRecordsResponse', key: 21, versions: [0, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: field(int32, {}),
    topics: array({
      name: string,
      partitions: array({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 }),
    }),
  },
)

export type DeleteRecordsRequest = Infer<typeof deleteRecordsRequest>
export type DeleteRecordsResponse = Input<typeof deleteRecordsResponse>
