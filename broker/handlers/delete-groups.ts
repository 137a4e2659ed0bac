import { deleteGroup } from '../coordinator/group-requests.ts'
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
} from '../protocol/messages/delete-groups.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'

/** DeleteGroups: v0-2. Answers when the deletion is durable. */
export const handleDeleteGroups = answering(
  async (broker: Broker, body: DeleteGroupsRequest): Promise<DeleteGroupsResponse> => {
    const groupIds = [...new Set(body.groupsNames)]
    const results = groupIds.map(async (groupId) => {
      return { groupId, errorCode: await deleteOne(broker, groupId) }
    })
    return { results: await Promise.all(results) }
  },
)

async function deleteOne(broker: Broker, groupId: string): Promise<number> {
  const shard = await shardFor(broker, groupId)
  if (typeof shard === 'string') return codeOf(shard)
  return new Promise((resolve) => {
    deleteGroup(shard, groupId, (error) => resolve(groupCode(error)))
  })
}
