import { groupsIn } from '../coordinator/group-requests.ts'
import type { ListGroupsRequest, ListGroupsResponse } from '../protocol/messages/list-groups.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { allShards } from './group-shard.ts'

const GROUP_TYPE = 'classic'

/**
 * ListGroups: v0-5. Each broker lists the groups that it coordinates. All are classic as yet.
 *
 * v4: KIP-518, states. v5: KIP-848, types.
 */
export const handleListGroups = answering(
  async (broker: Broker, body: ListGroupsRequest): Promise<ListGroupsResponse> => {
    const shards = await allShards(broker)
    if (typeof shards === 'string') return { errorCode: codeOf(shards), groups: [] }
    const types = lowerCase(body.typesFilter)
    if (types.size > 0 && !types.has(GROUP_TYPE)) return { errorCode: 0, groups: [] }
    const states = lowerCase(body.statesFilter)
    const groups = shards.flatMap((shard) => groupsIn(shard, states))
    return {
      errorCode: 0,
      groups: groups.map(({ groupId, protocolType, state }) => ({
        groupId,
        protocolType: protocolType ?? '',
        groupState: state,
        groupType: GROUP_TYPE,
      })),
    }
  },
)

function lowerCase(filter: readonly string[]): Set<string> {
  return new Set(filter.map((name) => name.trim().toLowerCase()))
}
