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
} from '../schema.ts'
import { OPERATIONS_UNKNOWN } from './authorized-operations.ts'

/** v1: KIP-919, brokers (1) or controllers (2). v2: KIP-1073 fenced brokers. */
export const describeClusterRequest = message(
  { name: 'DescribeClusterRequest', key: 60, versions: [0, 2], flexibleFrom: 0 },
  {
    includeClusterAuthorizedOperations: bool,
    endpointType: field(int8, { from: 1, default: 1 }),
    includeFencedBrokers: field(bool, { from: 2 }),
  },
)

export const describeClusterResponse = message(
  { name: 'DescribeClusterResponse', key: 60, versions: [0, 2], flexibleFrom: 0 },
  {
    throttleTimeMs: field(int32, {}),
    errorCode: int16,
    errorMessage: field(nullable(string), { default: null }),
    endpointType: field(int8, { from: 1, default: 1 }),
    clusterId: string,
    controllerId: field(int32, { default: -1 }),
    brokers: array({
      brokerId: int32,
      host: string,
      port: int32,
      rack: field(nullable(string), { default: null }),
      isFenced: field(bool, { from: 2 }),
    }),
    clusterAuthorizedOperations: field(int32, { default: OPERATIONS_UNKNOWN }),
  },
)

export type DescribeClusterRequest = Infer<typeof describeClusterRequest>
export type DescribeClusterResponse = Input<typeof describeClusterResponse>
