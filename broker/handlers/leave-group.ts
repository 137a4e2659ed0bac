import { leaveGroup } from '../coordinator/group-requests.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { LeaveGroupRequest, LeaveGroupResponse } from '../protocol/messages/leave-group.ts'
import type { Request } from '../request.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'

const FIRST_VERSION_OF_BATCHES = 3

/**
 * LeaveGroup: v0-5.
 *
 * v3: KIP-345, several members, each with an error of its own. v5: KIP-800, reasons, which are logged.
 */
export const handleLeaveGroup = answering(
  async (
    broker: Broker,
    body: LeaveGroupRequest,
    request: Request,
  ): Promise<LeaveGroupResponse> => {
    const { groupId, memberId } = body
    if (groupId === '') return failed('INVALID_GROUP_ID')
    const shard = await shardFor(broker, groupId)
    if (typeof shard === 'string') return failed(shard)
    const isBatch = request.version >= FIRST_VERSION_OF_BATCHES
    const members = isBatch ? body.members : [{ memberId, groupInstanceId: null, reason: null }]
    const leaving = members.map((member) => {
      return { ...member, instanceId: member.groupInstanceId }
    })
    const outcomes = leaveGroup(shard, groupId, leaving)
    if (typeof outcomes === 'string') return { errorCode: groupCode(outcomes) }
    if (!isBatch) return { errorCode: groupCode(outcomes[0] ?? null) }
    return {
      errorCode: 0,
      members: members.map((member, at) => {
        return { ...member, errorCode: groupCode(outcomes[at] ?? null) }
      }),
    }
  },
)

function failed(error: ErrorName): LeaveGroupResponse {
  return { errorCode: codeOf(error) }
}
