import type { AnyApi } from '../protocol/api-keys.ts'
import { apis } from '../protocol/api-keys.ts'
import { handleAlterPartitionReassignments } from './alter-partition-reassignments.ts'
import { handleApiVersions } from './api-versions.ts'
import type { Handler } from './context.ts'
import { handleCreateTopics } from './create-topics.ts'
import { handleDeleteTopics } from './delete-topics.ts'
import { handleDescribeCluster } from './describe-cluster.ts'
import { handleDescribeConfigs } from './describe-configs.ts'
import { handleDescribeLogDirs } from './describe-log-dirs.ts'
import { handleDescribeTopicPartitions } from './describe-topic-partitions.ts'
import { handleFetch } from './fetch.ts'
import { handleIncrementalAlterConfigs } from './incremental-alter-configs.ts'
import { handleInitProducerId } from './init-producer-id.ts'
import { handleListOffsets } from './list-offsets.ts'
import { handleListPartitionReassignments } from './list-partition-reassignments.ts'
import { handleMetadata } from './metadata.ts'
import { handleOffsetForLeaderEpoch } from './offset-for-leader-epoch.ts'
import { handleProduce } from './produce.ts'

/** Who answers what. What is not here is not advertised, and a request for it is refused. */
export const handlers: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [apis.produce.key, handleProduce],
  [apis.fetch.key, handleFetch],
  [apis.metadata.key, handleMetadata],
  [apis.apiVersions.key, handleApiVersions],
  [apis.listOffsets.key, handleListOffsets],
  [apis.createTopics.key, handleCreateTopics],
  [apis.deleteTopics.key, handleDeleteTopics],
  [apis.initProducerId.key, handleInitProducerId],
  [apis.offsetForLeaderEpoch.key, handleOffsetForLeaderEpoch],
  [apis.describeConfigs.key, handleDescribeConfigs],
  [apis.describeLogDirs.key, handleDescribeLogDirs],
  [apis.incrementalAlterConfigs.key, handleIncrementalAlterConfigs],
  [apis.alterPartitionReassignments.key, handleAlterPartitionReassignments],
  [apis.listPartitionReassignments.key, handleListPartitionReassignments],
  [apis.describeCluster.key, handleDescribeCluster],
  [apis.describeTopicPartitions.key, handleDescribeTopicPartitions],
])

/** The APIs that have a handler, in the order of their keys. */
export function servedApis(all: readonly AnyApi[]): AnyApi[] {
  return all.filter(({ key }) => handlers.has(key))
}
