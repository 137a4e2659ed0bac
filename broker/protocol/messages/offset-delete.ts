import { array, field, type Infer, type Input, int16, int32, message, string } from '../schema.ts'

/** KIP-496. */
export const offsetDeleteRequest = message(
  { name: 'OffsetDeleteRequest', key: 47, versions: [0, 0], flexibleFrom: null },
  {
    groupId: string,
    topics: array({ name: string, partitions: array({ partitionIndex: int32 }) }),
  },
)

export const offsetDeleteResponse = message(
  { name: 'OffsetDeleteResponse', key: 47, versions: [0, 0], flexibleFrom: null },
  {
    errorCode: int16,
    throttleTimeMs: field(int32, {}),
    topics: array({
      name: string,
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
)

export type OffsetDeleteRequest = Infer<typeof offsetDeleteRequest>
export type OffsetDeleteResponse = Input<typeof offsetDeleteResponse>
