import { syncGroup } from '../coordinator/group-requests.ts'
import { syncRefused, type SyncOutcome } from '../coordinator/group-outcomes.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { SyncGroupRequest, SyncGroupResponse } from '../protocol/messages/sync-group.ts'
import type { Request } from '../request.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'

/**
 * SyncGroup: v0-5. The members are answered when their assignment is durable.
 *
 * Differs from Kafka: what is saved of a group may have 8 MiB, whatever `message.max.bytes` says;
 * groups of thousands of members would not get beyond Kafka's 1 MiB.
 *
 * v3: KIP-345, static members. v5: KIP-559, the protocol must be named.
 */
export const handleSyncGroup = answering(
  async (broker: Broker, body: SyncGroupRequest, request: Request): Promise<SyncGroupResponse> => {
    const { groupId, protocolType, protocolName } = body
    const namesProtocol = protocolType !== null && protocolName !== null
    if (request.version >= 5 && !namesProtocol) return failed('INCONSISTENT_GROUP_PROTOCOL')
    if (groupId === '') return failed('INVALID_GROUP_ID')
    const shard = await shardFor(broker, groupId)
    if (typeof shard === 'string') return failed(shard)
    const asked = {
      groupId,
      memberId: body.memberId,
      instanceId: body.groupInstanceId,
      generation: body.generationId,
      protocolType,
      protocolName,
      // Kept for longer than the request's frame.
      assignments: body.assignments.map(({ memberId, assignment }) => {
        return { memberId, assignment: Buffer.from(assignment) }
      }),
    }
    return new Promise((resolve) => {
      syncGroup(shard, asked, (outcome) => resolve(responseTo(outcome)))
    })
  },
)

function responseTo({ error, ...outcome }: SyncOutcome): SyncGroupResponse {
  return { errorCode: groupCode(error), ...outcome }
}

function failed(error: ErrorName): SyncGroupResponse {
  return { ...responseTo(syncRefused('not-coordinator')), errorCode: codeOf(error) }
}
