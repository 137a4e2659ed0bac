import { heartbeatOf } from '../coordinator/group-requests.ts'
import type { HeartbeatRequest, HeartbeatResponse } from '../protocol/messages/heartbeat.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'

/**
 * Heartbeat: v0-4.
 *
 * v3: KIP-345, static members.
 */
export const handleHeartbeat = answering(
  async (broker: Broker, body: HeartbeatRequest): Promise<HeartbeatResponse> => {
    const { groupId, memberId, groupInstanceId: instanceId, generationId: generation } = body
    if (groupId === '') return { errorCode: codeOf('INVALID_GROUP_ID') }
    const shard = await shardFor(broker, groupId)
    // The member's session begins when its group is loaded: until then all is well, as in Kafka.
    if (shard === 'COORDINATOR_LOAD_IN_PROGRESS') return { errorCode: 0 }
    if (typeof shard === 'string') return { errorCode: codeOf(shard) }
    return {
      errorCode: groupCode(heartbeatOf(shard, { groupId, memberId, instanceId, generation })),
    }
  },
)
