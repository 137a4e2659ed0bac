import {
  array,
  bool,
  field,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  message,
  nullable,
  string,
  tagged,
  uuid,
} from '../schema.ts'

/** v4: KIP-464, -1 for the broker's defaults. v5: flexible, KIP-525. v6: throttling. v7: topic ids. */
export const createTopicsRequest = message(
  { name: 'CreateTopicsRequest', key: 19, versions: [2, 7], flexibleFrom: 5 },
  {
    topics: array({
      name: string,
      numPartitions: int32,
      replicationFactor: int16,
      assignments: array({ partitionIndex: int32, brokerIds: array(int32) }),
      configs: array({ name: string, value: nullable(string) }),
    }),
    timeoutMs: field(int32, { default: 60_000 }),
    validateOnly: field(bool, { default: false }),
  },
)

/** v5 and later say which partitions and configs the topic got (KIP-525). */
export const createTopicsResponse = message(
  { name: 'CreateTopicsResponse', key: 19, versions: [2, 7], flexibleFrom: 5 },
  {
    throttleTimeMs: field(int32, {}),
    topics: array({
      name: string,
      topicId: field(uuid, { from: 7 }),
      errorCode: int16,
      errorMessage: nullable(string),
      topicConfigErrorCode: tagged(0, int16, { from: 5 }),
      numPartitions: field(int32, { from: 5, default: -1 }),
      replicationFactor: field(int16, { from: 5, default: -1 }),
      configs: field(
        nullable(
          array({
            name: string,
            value: nullable(string),
            readOnly: bool,
            configSource: field(int8, { default: -1 }),
            isSensitive: bool,
          }),
        ),
        { from: 5 },
      ),
    }),
  },
)

export type CreateTopicsRequest = Infer<typeof createTopicsRequest>
export type CreateTopicsResponse = Input<typeof createTopicsResponse>
