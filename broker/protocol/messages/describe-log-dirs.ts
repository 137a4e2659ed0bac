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
} from '../schema.ts'

/** v2: flexible. v3-5 differ in the response only. */
export const describeLogDirsRequest = message(
  { name: 'DescribeLogDirsRequest', key: 35, versions: [1, 5], flexibleFrom: 2 },
  {
    /** Null asks for all. */
    topics: nullable(array({ topic: string, partitions: array(int32) })),
  },
)

/** v3: a top-level error. v4: KIP-827, bytes in all. v5: KIP-1066, cordoned. */
export const describeLogDirsResponse = message(
  { name: 'DescribeLogDirsResponse', key: 35, versions: [1, 5], flexibleFrom: 2 },
  {
    throttleTimeMs: field(int32, {}),
    errorCode: field(int16, { from: 3 }),
    results: array({
      errorCode: int16,
      logDir: string,
      topics: array({
        name: string,
        partitions: array({
          partitionIndex: int32,
          partitionSize: int64,
          offsetLag: int64,
          isFutureKey: bool,
        }),
      }),
      totalBytes: field(int64, { from: 4, default: -1 }),
      usableBytes: field(int64, { from: 4, default: -1 }),
      isCordoned: field(bool, { from: 5, default: false }),
    }),
  },
)

export type DescribeLogDirsRequest = Infer<typeof describeLogDirsRequest>
export type DescribeLogDirsResponse = Input<typeof describeLogDirsResponse>
