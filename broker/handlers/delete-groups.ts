import { deleteGroup } from '../coordinator/group-requests.ts'
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
} from '../protocol/messages/delete-groups.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'
import { type Asker, passOn } from './pass-on.ts'

/** DeleteGroups: v0-2. Answers when the deletion is durable. */
export async function deleteGroups(
  broker: Broker,
  body: DeleteGroupsRequest,
  asker: Asker,
): Promise<DeleteGroupsResponse> {
  const groupIds = [...new Set(body.groupsNames)]
  const results = groupIds.map(async (groupId) => {
    return { groupId, errorCode: await deleteOne(broker, groupId, asker) }
  })
  return { results: await Promise.all(results) }
}

export const handleDeleteGroups = answering(deleteGroups)

async function deleteOne(broker: Broker, groupId: string, asker: Asker): Promise<number> {
  const shard = await shardFor(broker, groupId)
  if (shard === 'NOT_COORDINATOR') {
    const asked: DeleteGroupsRequest = { groupsNames: [groupId] }
    const passed = await passOn<DeleteGroupsResponse>(broker, asker, groupId, asked)
    if (passed?.results[0] !== undefined) return passed.results[0].errorCode
  }
  if (typeof shard === 'string') return codeOf(shard)
  return new Promise((resolve) => {
    deleteGroup(shard, groupId, (error) => resolve(groupCode(error)))
  })
}
