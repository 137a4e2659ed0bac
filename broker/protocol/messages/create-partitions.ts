import {
  array,
  bool,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/** KIP-195. v2: flexible. v3: as v2, with a quota error. */
export const createPartitionsRequest = message(
  { name: 'CreatePartitionsRequest', key: 37, versions: [0, 3], flexibleFrom: 2 },
  {
    topics: array({
      name: string,
      /** Partitions the topic shall have in all. */
      count: int32,
      /** Of the new partitions only, in their order; null: the cluster decides. */
      assignments: nullable(array({ brokerIds: array(int32) })),
    }),
    timeoutMs: int32,
    validateOnly: bool,
  },
)

export const createPartitionsResponse = message(
  { name: 'CreatePartitionsResponse', key: 37, versions: [0, 3], flexibleFrom: 2 },
  {
    throttleTimeMs: field(int32, {}),
    results: array({
      name: string,
      errorCode: int16,
      errorMessage: field(nullable(string), { default: null }),
    }),
  },
)

export type CreatePartitionsRequest = Infer<typeof createPartitionsRequest>
export type CreatePartitionsResponse = Input<typeof createPartitionsResponse>
