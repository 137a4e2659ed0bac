import {
  array,
  field,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  int64,
  int64OrMax,
  message,
  nullable,
  records,
  string,
  struct,
  tagged,
  uuid,
} from '../schema.ts'

/**
 * v7: KIP-227 sessions. v9: leader epoch. v11: KIP-392 rack. v12: flexible, KIP-595. v13: topic ids.
 * v15: KIP-903 replica state. v16: KIP-951. v17: directory id. v18: KIP-1166 high watermark.
 */
export const fetchRequest = message(
  { name: 'FetchRequest', key: 1, versions: [4, 18], flexibleFrom: 12 },
  {
    clusterId: tagged(0, nullable(string), { from: 12, default: null }),
    replicaId: field(int32, { to: 14, default: -1 }),
    replicaState: tagged(
      1,
      struct({
        replicaId: field(int32, { default: -1 }),
        replicaEpoch: field(int64, { default: -1 }),
      }),
      { from: 15 },
    ),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: field(int32, { default: 0x7fff_ffff }),
    isolationLevel: field(int8, { default: 0 }),
    sessionId: field(int32, { from: 7, default: 0 }),
    sessionEpoch: field(int32, { from: 7, default: -1 }),
    topics: array({
      topic: field(string, { to: 12 }),
      topicId: field(uuid, { from: 13 }),
      partitions: array({
        partition: int32,
        currentLeaderEpoch: field(int32, { from: 9, default: -1 }),
        fetchOffset: int64,
        lastFetchedEpoch: field(int32, { from: 12, default: -1 }),
        logStartOffset: field(int64, { from: 5, default: -1 }),
        partitionMaxBytes: int32,
        replicaDirectoryId: tagged(0, uuid, { from: 17 }),
        highWatermark: tagged(1, int64OrMax, { from: 18, default: Number.POSITIVE_INFINITY }),
      }),
    }),
    forgottenTopicsData: field(
      array({
        topic: field(string, { to: 12 }),
        topicId: field(uuid, { from: 13 }),
        partitions: array(int32),
      }),
      { from: 7 },
    ),
    rackId: field(string, { from: 11, default: '' }),
  },
)

/** v7: sessions. v11: preferred replica. v12: flexible, diverging epoch. v16: KIP-951 endpoints. */
export const fetchResponse = message(
  { name: 'FetchResponse', key: 1, versions: [4, 18], flexibleFrom: 12 },
  {
    throttleTimeMs: field(int32, { default: 0 }),
    errorCode: field(int16, { from: 7 }),
    sessionId: field(int32, { from: 7, default: 0 }),
    responses: array({
      topic: field(string, { to: 12 }),
      topicId: field(uuid, { from: 13 }),
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        highWatermark: int64,
        lastStableOffset: field(int64, { default: -1 }),
        logStartOffset: field(int64, { from: 5, default: -1 }),
        divergingEpoch: tagged(
          0,
          struct({
            epoch: field(int32, { default: -1 }),
            endOffset: field(int64, { default: -1 }),
          }),
          { from: 12 },
        ),
        currentLeader: tagged(
          1,
          struct({
            leaderId: field(int32, { default: -1 }),
            leaderEpoch: field(int32, { default: -1 }),
          }),
          { from: 12 },
        ),
        snapshotId: tagged(
          2,
          struct({
            endOffset: field(int64, { default: -1 }),
            epoch: field(int32, { default: -1 }),
          }),
          { from: 12 },
        ),
        abortedTransactions: nullable(array({ producerId: int64, firstOffset: int64 })),
        preferredReadReplica: field(int32, { from: 11, default: -1 }),
        records: nullable(records),
      }),
    }),
    nodeEndpoints: tagged(
      0,
      array({
        nodeId: int32,
        host: string,
        port: int32,
        rack: field(nullable(string), { default: null }),
      }),
      { from: 16 },
    ),
  },
)

export type FetchRequest = Infer<typeof fetchRequest>
export type FetchResponse = Input<typeof fetchResponse>
