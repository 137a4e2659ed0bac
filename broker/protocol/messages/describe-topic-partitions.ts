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
  struct,
  uuid,
} from '../schema.ts'
import { OPERATIONS_UNKNOWN } from './authorized-operations.ts'

/** Where to go on: the first partition that is still to come. */
const cursor = struct({ topicName: string, partitionIndex: int32 })

/** KIP-966. */
export const describeTopicPartitionsRequest = message(
  { name: 'DescribeTopicPartitionsRequest', key: 75, versions: [0, 0], flexibleFrom: 0 },
  {
    topics: array({ name: string }),
    responsePartitionLimit: field(int32, { default: 2000 }),
    cursor: field(nullable(cursor), { default: null }),
  },
)

export const describeTopicPartitionsResponse = message(
  { name: 'DescribeTopicPartitionsResponse', key: 75, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: field(int32, {}),
    topics: array({
      errorCode: int16,
      name: nullable(string),
      topicId: uuid,
      isInternal: field(bool, { default: false }),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: field(int32, { default: -1 }),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        eligibleLeaderReplicas: field(nullable(array(int32)), { default: null }),
        lastKnownElr: field(nullable(array(int32)), { default: null }),
        offlineReplicas: array(int32),
      }),
      topicAuthorizedOperations: field(int32, { default: OPERATIONS_UNKNOWN }),
    }),
    nextCursor: field(nullable(cursor), { default: null }),
  },
)

export type DescribeTopicPartitionsRequest = Infer<typeof describeTopicPartitionsRequest>
export type DescribeTopicPartitionsResponse = Input<typeof describeTopicPartitionsResponse>
