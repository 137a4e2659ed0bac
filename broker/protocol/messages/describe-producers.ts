import {
  array,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  int64,
  message,
  nullable,
  string,
} from '../schema.ts'

/** KIP-664. */
export const describeProducersRequest = message(
  { name: 'DescribeProducersRequest', key: 61, versions: [0, 0], flexibleFrom: 0 },
  { topics: array({ name: string, partitionIndexes: array(int32) }) },
)

export const describeProducersResponse = message(
  { name: 'DescribeProducersResponse', key: 61, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: field(int32, {}),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: field(nullable(string), { default: null }),
        activeProducers: array({
          producerId: int64,
          producerEpoch: int32,
          lastSequence: field(int32, { default: -1 }),
          lastTimestamp: field(int64, { default: -1 }),
          coordinatorEpoch: int32,
          currentTxnStartOffset: field(int64, { default: -1 }),
        }),
      }),
    }),
  },
)

export type DescribeProducersRequest = Infer<typeof describeProducersRequest>
export type DescribeProducersResponse = Input<typeof describeProducersResponse>
