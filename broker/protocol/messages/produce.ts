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
  records,
  string,
  struct,
  tagged,
  uuid,
} from '../schema.ts'

/** v9: flexible. v12: KIP-890 implicit transaction partitions. v13: KIP-516 topic ids. */
export const produceRequest = message(
  { name: 'ProduceRequest', key: 0, versions: [3, 13], flexibleFrom: 9 },
  {
    transactionalId: field(nullable(string), { default: null }),
    acks: int16,
    timeoutMs: int32,
    topicData: array({
      name: field(string, { to: 12 }),
      topicId: field(uuid, { from: 13 }),
      partitionData: array({
        index: int32,
        records: nullable(records),
      }),
    }),
  },
)

/** v5: log start offset. v8: KIP-467 record errors. v10: KIP-951 new leaders. v13: topic ids. */
export const produceResponse = message(
  { name: 'ProduceResponse', key: 0, versions: [3, 13], flexibleFrom: 9 },
  {
    responses: array({
      name: field(string, { to: 12 }),
      topicId: field(uuid, { from: 13 }),
      partitionResponses: array({
        index: int32,
        errorCode: int16,
        baseOffset: int64,
        logAppendTimeMs: field(int64, { default: -1 }),
        logStartOffset: field(int64, { from: 5, default: -1 }),
        recordErrors: field(
          array({
            batchIndex: int32,
            batchIndexErrorMessage: field(nullable(string), { default: null }),
          }),
          { from: 8 },
        ),
        errorMessage: field(nullable(string), { from: 8, default: null }),
        currentLeader: tagged(
          0,
          struct({
            leaderId: field(int32, { default: -1 }),
            leaderEpoch: field(int32, { default: -1 }),
          }),
          { from: 10 },
        ),
      }),
    }),
    throttleTimeMs: field(int32, { default: 0 }),
    nodeEndpoints: tagged(
      0,
      array({
        nodeId: int32,
        host: string,
        port: int32,
        rack: field(nullable(string), { default: null }),
      }),
      { from: 10 },
    ),
  },
)

export type ProduceRequest = Infer<typeof produceRequest>
export type ProduceResponse = Input<typeof produceResponse>
