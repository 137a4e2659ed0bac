import { deleteGroup } from '../coordinator/group-requests.ts'
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
} from '../protocol/messages/delete-groups.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { groupCode, shardFor } from './group-shard.ts'
import { type Asker, picked, withOthers } from './pass-on.ts'

/** DeleteGroups: v0-2. Answers when the deletion is durable. */
export async function deleteGroups(
  broker: Broker,
  body: DeleteGroupsRequest,
  asker: Asker,
): Promise<DeleteGroupsResponse> {
  const groupIds = [...new Set(body.groupsNames)]
  const here = groupIds.map(async (groupId) => {
    return { groupId, errorCode: await deleteOne(broker, groupId) }
  })
  const results = await withOthers(broker, asker, await Promise.all(here), {
    about: (places) => ({ groupsNames: picked(groupIds, places) }),
    answersIn: (response: DeleteGroupsResponse) => response.results,
  })
  return { results }
}

export const handleDeleteGroups = answering(deleteGroups)

async function deleteOne(broker: Broker, groupId: string): Promise<number> {
  const shard = await shardFor(broker, groupId)
  if (typeof shard === 'string') return codeOf(shard)
  return new Promise((resolve) => {
    deleteGroup(shard, groupId, (error) => resolve(groupCode(error)))
  })
}
