import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from './messages/alter-partition-reassignments.ts'
import { apiVersionsRequest, apiVersionsResponse } from './messages/api-versions.ts'
import { createTopicsRequest, createTopicsResponse } from './messages/create-topics.ts'
import { deleteTopicsRequest, deleteTopicsResponse } from './messages/delete-topics.ts'
import { describeClusterRequest, describeClusterResponse } from './messages/describe-cluster.ts'
import { describeConfigsRequest, describeConfigsResponse } from './messages/describe-configs.ts'
import { describeLogDirsRequest, describeLogDirsResponse } from './messages/describe-log-dirs.ts'
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from './messages/describe-topic-partitions.ts'
import { fetchRequest, fetchResponse } from './messages/fetch.ts'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from './messages/incremental-alter-configs.ts'
import { initProducerIdRequest, initProducerIdResponse } from './messages/init-producer-id.ts'
import { listOffsetsRequest, listOffsetsResponse } from './messages/list-offsets.ts'
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from './messages/list-partition-reassignments.ts'
import { metadataRequest, metadataResponse } from './messages/metadata.ts'
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from './messages/offset-for-leader-epoch.ts'
import { produceRequest, produceResponse } from './messages/produce.ts'
import { deleteGroupsRequest, deleteGroupsResponse } from './messages/delete-groups.ts'
import { describeGroupsRequest, describeGroupsResponse } from './messages/describe-groups.ts'
import { findCoordinatorRequest, findCoordinatorResponse } from './messages/find-coordinator.ts'
import { heartbeatRequest, heartbeatResponse } from './messages/heartbeat.ts'
import { joinGroupRequest, joinGroupResponse } from './messages/join-group.ts'
import { leaveGroupRequest, leaveGroupResponse } from './messages/leave-group.ts'
import { listGroupsRequest, listGroupsResponse } from './messages/list-groups.ts'
import { offsetCommitRequest, offsetCommitResponse } from './messages/offset-commit.ts'
import { offsetDeleteRequest, offsetDeleteResponse } from './messages/offset-delete.ts'
import { offsetFetchRequest, offsetFetchResponse } from './messages/offset-fetch.ts'
import { syncGroupRequest, syncGroupResponse } from './messages/sync-group.ts'
import { deleteRecordsRequest, deleteRecordsResponse } from './messages/delete-records.ts'
import { createPartitionsRequest, createPartitionsResponse } from './messages/create-partitions.ts'
import { alterConfigsRequest, alterConfigsResponse } from './messages/alter-configs.ts'
import { electLeadersRequest, electLeadersResponse } from './messages/elect-leaders.ts'
import {
  describeProducersRequest,
  describeProducersResponse,
} from './messages/describe-producers.ts'
import {
  listConfigResourcesRequest,
  listConfigResourcesResponse,
} from './messages/list-config-resources.ts'
import type { Fields, Message } from './schema.ts'

export interface Api<Request extends Fields = Fields, Response extends Fields = Fields> {
  /** Kafka's name of the API, such as `Produce`. */
  readonly name: string
  readonly key: number
  readonly request: Message<Request>
  readonly response: Message<Response>
  /** The versions an ApiVersions response names. */
  readonly advertised: readonly [number, number]
}

function api<Request extends Fields, Response extends Fields>(
  name: string,
  request: Message<Request>,
  response: Message<Response>,
  advertised: readonly [number, number] = request.versions,
): Api<Request, Response> {
  return { name, key: request.key, request, response, advertised }
}

/**
 * Every API that this release knows. Two are advertised otherwise than they are valid:
 * Produce from 0 on, because librdkafka derives from its minimum which message formats a broker
 * has (KAFKA-18659), though versions 0-2 are refused; InitProducerId without its unstable v6.
 */
export const apis = {
  produce: api('Produce', produceRequest, produceResponse, [0, 13]),
  fetch: api('Fetch', fetchRequest, fetchResponse),
  listOffsets: api('ListOffsets', listOffsetsRequest, listOffsetsResponse),
  metadata: api('Metadata', metadataRequest, metadataResponse),
  apiVersions: api('ApiVersions', apiVersionsRequest, apiVersionsResponse),
  createTopics: api('CreateTopics', createTopicsRequest, createTopicsResponse),
  deleteTopics: api('DeleteTopics', deleteTopicsRequest, deleteTopicsResponse),
  initProducerId: api('InitProducerId', initProducerIdRequest, initProducerIdResponse, [0, 5]),
  offsetForLeaderEpoch: api(
    'OffsetForLeaderEpoch',
    offsetForLeaderEpochRequest,
    offsetForLeaderEpochResponse,
  ),
  describeConfigs: api('DescribeConfigs', describeConfigsRequest, describeConfigsResponse),
  describeLogDirs: api('DescribeLogDirs', describeLogDirsRequest, describeLogDirsResponse),
  incrementalAlterConfigs: api(
    'IncrementalAlterConfigs',
    incrementalAlterConfigsRequest,
    incrementalAlterConfigsResponse,
  ),
  alterPartitionReassignments: api(
    'AlterPartitionReassignments',
    alterPartitionReassignmentsRequest,
    alterPartitionReassignmentsResponse,
  ),
  listPartitionReassignments: api(
    'ListPartitionReassignments',
    listPartitionReassignmentsRequest,
    listPartitionReassignmentsResponse,
  ),
  describeCluster: api('DescribeCluster', describeClusterRequest, describeClusterResponse),
  describeTopicPartitions: api(
    'DescribeTopicPartitions',
    describeTopicPartitionsRequest,
    describeTopicPartitionsResponse,
  ),
  offsetCommit: api('OffsetCommit', offsetCommitRequest, offsetCommitResponse),
  offsetFetch: api('OffsetFetch', offsetFetchRequest, offsetFetchResponse),
  findCoordinator: api('FindCoordinator', findCoordinatorRequest, findCoordinatorResponse),
  joinGroup: api('JoinGroup', joinGroupRequest, joinGroupResponse),
  heartbeat: api('Heartbeat', heartbeatRequest, heartbeatResponse),
  leaveGroup: api('LeaveGroup', leaveGroupRequest, leaveGroupResponse),
  syncGroup: api('SyncGroup', syncGroupRequest, syncGroupResponse),
  describeGroups: api('DescribeGroups', describeGroupsRequest, describeGroupsResponse),
  listGroups: api('ListGroups', listGroupsRequest, listGroupsResponse),
  deleteGroups: api('DeleteGroups', deleteGroupsRequest, deleteGroupsResponse),
  offsetDelete: api('OffsetDelete', offsetDeleteRequest, offsetDeleteResponse),
  deleteRecords: api('DeleteRecords', deleteRecordsRequest, deleteRecordsResponse),
  createPartitions: api('CreatePartitions', createPartitionsRequest, createPartitionsResponse),
  alterConfigs: api('AlterConfigs', alterConfigsRequest, alterConfigsResponse),
  listConfigResources: api(
    'ListConfigResources',
    listConfigResourcesRequest,
    listConfigResourcesResponse,
  ),
  electLeaders: api('ElectLeaders', electLeadersRequest, electLeadersResponse),
  describeProducers: api('DescribeProducers', describeProducersRequest, describeProducersResponse),
} as const

/** An API whose messages are not known statically. */
export type AnyApi = Api<Fields, Fields>

const byKey = new Map<number, AnyApi>()
for (const each of Object.values(apis)) byKey.set(each.key, each as unknown as AnyApi)

/** The API of a key, or undefined when this release does not know it. */
export function apiOf(key: number): AnyApi | undefined {
  return byKey.get(key)
}

/** All APIs, in the order of their keys. */
export const allApis: readonly AnyApi[] = [...byKey.values()].sort((a, b) => a.key - b.key)
