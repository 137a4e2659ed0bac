import {
  array,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/** KIP-455. */
export const listPartitionReassignmentsRequest = message(
  { name: 'ListPartitionReassignmentsRequest', key: 46, versions: [0, 0], flexibleFrom: 0 },
  {
    timeoutMs: field(int32, { default: 60_000 }),
    /** Null asks for all. */
    topics: field(nullable(array({ name: string, partitionIndexes: array(int32) })), {
      default: null,
    }),
  },
)

export const listPartitionReassignmentsResponse = message(
  { name: 'ListPartitionReassignmentsResponse', key: 46, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: field(int32, {}),
    errorCode: int16,
    errorMessage: nullable(string),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        replicas: array(int32),
        addingReplicas: array(int32),
        removingReplicas: array(int32),
      }),
    }),
  },
)

export type ListPartitionReassignmentsRequest = Infer<typeof listPartitionReassignmentsRequest>
export type ListPartitionReassignmentsResponse = Input<typeof listPartitionReassignmentsResponse>
