import {
  array,
  field,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/** KIP-183. v1: KIP-460, the kind of election. v2: flexible. */
export const electLeadersRequest = message(
  { name: 'ElectLeadersRequest', key: 43, versions: [0, 2], flexibleFrom: 2 },
  {
    electionType: field(int8, { from: 1 }),
    /** Null: all partitions there are. */
    topicPartitions: nullable(array({ topic: string, partitions: array(int32) })),
    timeoutMs: field(int32, { default: 60_000 }),
  },
)

export const electLeadersResponse = message(
  { name: 'ElectLeadersResponse', key: 43, versions: [0, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: field(int32, {}),
    errorCode: field(int16, { from: 1 }),
    replicaElectionResults: array({
      topic: string,
      partitionResult: array({
        partitionId: int32,
        errorCode: int16,
        errorMessage: nullable(string),
      }),
    }),
  },
)

export type ElectLeadersRequest = Infer<typeof electLeadersRequest>
export type ElectLeadersResponse = Input<typeof electLeadersResponse>
