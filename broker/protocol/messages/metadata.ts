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
  uuid,
} from '../schema.ts'
import { OPERATIONS_UNKNOWN } from './authorized-operations.ts'

/** v0: an empty list asks for all topics; from v1 on, null does. v10: topic ids (v12: served). */
export const metadataRequest = message(
  { name: 'MetadataRequest', key: 3, versions: [0, 13], flexibleFrom: 9 },
  {
    topics: nullable(
      array({
        topicId: field(uuid, { from: 10 }),
        name: nullable(string, { from: 10 }),
      }),
      { from: 1 },
    ),
    allowAutoTopicCreation: field(bool, { from: 4, default: true }),
    includeClusterAuthorizedOperations: field(bool, { from: 8, to: 10 }),
    includeTopicAuthorizedOperations: field(bool, { from: 8 }),
  },
)

/** v7: leader epoch. v8: KIP-430 authorized operations. v10: topic ids. v13: KIP-1102 rebootstrap. */
export const metadataResponse = message(
  { name: 'MetadataResponse', key: 3, versions: [0, 13], flexibleFrom: 9 },
  {
    throttleTimeMs: field(int32, { from: 3 }),
    brokers: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: field(nullable(string), { from: 1, default: null }),
    }),
    clusterId: field(nullable(string), { from: 2, default: null }),
    controllerId: field(int32, { from: 1, default: -1 }),
    topics: array({
      errorCode: int16,
      name: nullable(string, { from: 12 }),
      topicId: field(uuid, { from: 10 }),
      isInternal: field(bool, { from: 1, default: false }),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: field(int32, { from: 7, default: -1 }),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        offlineReplicas: field(array(int32), { from: 5 }),
      }),
      topicAuthorizedOperations: field(int32, { from: 8, default: OPERATIONS_UNKNOWN }),
    }),
    clusterAuthorizedOperations: field(int32, { from: 8, to: 10, default: OPERATIONS_UNKNOWN }),
    errorCode: field(int16, { from: 13 }),
  },
)

export type MetadataRequest = Infer<typeof metadataRequest>
export type MetadataResponse = Input<typeof metadataResponse>
