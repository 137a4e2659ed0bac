import { type JoinOutcome, type JoinRequest, joinRefused } from '../coordinator/group-outcomes.ts'
import { joinGroup } from '../coordinator/group-requests.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { JoinGroupRequest, JoinGroupResponse } from '../protocol/messages/join-group.ts'
import type { Request } from '../request.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'

/**
 * JoinGroup: v0-9.
 *
 * Differs from Kafka: a join that the same member repeats while the first one waits answers the
 * first one with REBALANCE_IN_PROGRESS, which would else never be answered.
 *
 * v1: the rebalance has a time-out of its own. v4: KIP-394, MEMBER_ID_REQUIRED. v5: KIP-345, static
 * members. v8: KIP-800, reasons, which are logged. v9: KIP-814, a leader that need not assign.
 */
export const handleJoinGroup = answering(
  async (broker: Broker, body: JoinGroupRequest, request: Request): Promise<JoinGroupResponse> => {
    const { groupId, memberId, sessionTimeoutMs } = body
    if (groupId === '') return failed('INVALID_GROUP_ID', memberId)
    const { sessionMsMin, sessionMsMax } = broker.groups.settings
    if (sessionTimeoutMs < sessionMsMin || sessionTimeoutMs > sessionMsMax) {
      return failed('INVALID_SESSION_TIMEOUT', memberId)
    }
    const shard = await shardFor(broker, groupId)
    if (typeof shard === 'string') return failed(shard, memberId)
    return new Promise((resolve) => {
      joinGroup(shard, joinRequestOf(body, request), (outcome) => {
        resolve(responseTo(outcome, request.version))
      })
    })
  },
)

/** What is kept of the request is copied: a view would pin the frame for as long as the member is. */
function joinRequestOf(body: JoinGroupRequest, request: Request): JoinRequest {
  return {
    groupId: body.groupId,
    memberId: body.memberId,
    instanceId: body.groupInstanceId,
    clientId: request.clientId ?? '',
    clientHost: `/${request.connection.remoteAddress}`,
    sessionMs: body.sessionTimeoutMs,
    rebalanceMs: request.version === 0 ? body.sessionTimeoutMs : body.rebalanceTimeoutMs,
    protocolType: body.protocolType,
    protocols: body.protocols.map(({ name, metadata }) => {
      return { name, metadata: Buffer.from(metadata) }
    }),
    reason: body.reason,
    knowsIdRequired: request.version >= 4,
    knowsSkipAssignment: request.version >= 9,
  }
}

function responseTo(outcome: JoinOutcome, version: number): JoinGroupResponse {
  return {
    errorCode: groupCode(outcome.error),
    generationId: outcome.generation,
    protocolType: outcome.protocolType,
    protocolName: outcome.protocolName ?? (version < 7 ? '' : null),
    leader: outcome.leaderId,
    skipAssignment: outcome.skipAssignment,
    memberId: outcome.memberId,
    members: outcome.members.map(({ memberId, instanceId, metadata }) => {
      return { memberId, groupInstanceId: instanceId, metadata }
    }),
  }
}

function failed(error: ErrorName, memberId: string): JoinGroupResponse {
  const response = responseTo(joinRefused('not-coordinator', memberId), 0)
  return { ...response, errorCode: codeOf(error) }
}
