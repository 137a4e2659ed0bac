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

/** KIP-455. v1: KIP-860, whether the replication factor may change. */
export const alterPartitionReassignmentsRequest = message(
  { name: 'AlterPartitionReassignmentsRequest', key: 45, versions: [0, 1], flexibleFrom: 0 },
  {
    timeoutMs: field(int32, { default: 60_000 }),
    allowReplicationFactorChange: field(bool, { from: 1, default: true }),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        /** Null cancels a reassignment that is under way. */
        replicas: field(nullable(array(int32)), { default: null }),
      }),
    }),
  },
)

export const alterPartitionReassignmentsResponse = message(
  { name: 'AlterPartitionReassignmentsResponse', key: 45, versions: [0, 1], flexibleFrom: 0 },
  {
    throttleTimeMs: field(int32, {}),
    allowReplicationFactorChange: field(bool, { from: 1, default: true }),
    errorCode: int16,
    errorMessage: nullable(string),
    responses: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: nullable(string),
      }),
    }),
  },
)

export type AlterPartitionReassignmentsRequest = Infer<typeof alterPartitionReassignmentsRequest>
export type AlterPartitionReassignmentsResponse = Input<typeof alterPartitionReassignmentsResponse>
