import type { AnyApi } from '../protocol/api-keys.ts'
import { apis } from '../protocol/api-keys.ts'
import { handleAlterConfigs } from './alter-configs.ts'
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
import { handleOffsetCommit } from './offset-commit.ts'
import { handleOffsetFetch } from './offset-fetch.ts'
import { handleFindCoordinator } from './find-coordinator.ts'
import { handleJoinGroup } from './join-group.ts'
import { handleHeartbeat } from './heartbeat.ts'
import { handleLeaveGroup } from './leave-group.ts'
import { handleSyncGroup } from './sync-group.ts'
import { handleDescribeGroups } from './describe-groups.ts'
import { handleListConfigResources } from './list-config-resources.ts'
import { handleListGroups } from './list-groups.ts'
import { handleDeleteGroups } from './delete-groups.ts'
import { handleOffsetDelete } from './offset-delete.ts'
import { handleDeleteRecords } from './delete-records.ts'
import { handleCreatePartitions } from './create-partitions.ts'
import { handleElectLeaders } from './elect-leaders.ts'
import { handleDescribeProducers } from './describe-producers.ts'

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
  [apis.alterConfigs.key, handleAlterConfigs],
  [apis.incrementalAlterConfigs.key, handleIncrementalAlterConfigs],
  [apis.alterPartitionReassignments.key, handleAlterPartitionReassignments],
  [apis.listPartitionReassignments.key, handleListPartitionReassignments],
  [apis.describeCluster.key, handleDescribeCluster],
  [apis.describeTopicPartitions.key, handleDescribeTopicPartitions],
  [apis.offsetCommit.key, handleOffsetCommit],
  [apis.offsetFetch.key, handleOffsetFetch],
  [apis.findCoordinator.key, handleFindCoordinator],
  [apis.joinGroup.key, handleJoinGroup],
  [apis.heartbeat.key, handleHeartbeat],
  [apis.leaveGroup.key, handleLeaveGroup],
  [apis.syncGroup.key, handleSyncGroup],
  [apis.describeGroups.key, handleDescribeGroups],
  [apis.listGroups.key, handleListGroups],
  [apis.deleteGroups.key, handleDeleteGroups],
  [apis.offsetDelete.key, handleOffsetDelete],
  [apis.deleteRecords.key, handleDeleteRecords],
  [apis.createPartitions.key, handleCreatePartitions],
  [apis.listConfigResources.key, handleListConfigResources],
  [apis.electLeaders.key, handleElectLeaders],
  [apis.describeProducers.key, handleDescribeProducers],
])

/** The APIs that have a handler, in the order of their keys. */
export function servedApis(all: readonly AnyApi[]): AnyApi[] {
  return all.filter(({ key }) => handlers.has(key))
}
