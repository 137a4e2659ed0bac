import type { ClassicGroup } from '../coordinator/classic-group.ts'
import type {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from '../protocol/messages/describe-groups.ts'
import { GROUP_OPERATIONS } from './authorized-operations.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { shardFor } from './group-shard.ts'
import { type Asker, picked, withOthers } from './pass-on.ts'

type Answer = DescribeGroupsResponse['groups'][number]

const FIRST_VERSION_OF_NOT_FOUND = 6
const NOTHING = Buffer.alloc(0)

/**
 * DescribeGroups: v0-6. Of a group that is not stable it does not tell what the members subscribe to.
 *
 * Differs from Kafka: a group that nobody joined and that has no offsets is not there.
 *
 * v3: KIP-430, what is authorized, which is everything as yet. v4: KIP-345, static members. v6:
 * KIP-1043, an error for a group that is not there; older clients are told that it is dead.
 */
export async function describeGroups(
  broker: Broker,
  body: DescribeGroupsRequest,
  asker: Asker,
): Promise<DescribeGroupsResponse> {
  const { includeAuthorizedOperations } = body
  const here = body.groups.map((groupId) => describe(broker, groupId, asker.version))
  const groups = await withOthers(broker, asker, await Promise.all(here), {
    about: (places) => ({ groups: picked(body.groups, places), includeAuthorizedOperations }),
    answersIn: (response: DescribeGroupsResponse) => response.groups,
  })
  if (!includeAuthorizedOperations) return { groups }
  return {
    groups: groups.map((group) => {
      return group.errorCode === 0 ? { ...group, authorizedOperations: GROUP_OPERATIONS } : group
    }),
  }
}

export const handleDescribeGroups = answering(describeGroups)

async function describe(broker: Broker, groupId: string, version: number): Promise<Answer> {
  const shard = await shardFor(broker, groupId)
  if (typeof shard === 'string') return { ...empty(groupId), errorCode: codeOf(shard) }
  const group = shard.groups.get(groupId)
  if (group !== undefined) return answerOf(group)
  const dead = { ...empty(groupId), groupState: 'Dead' }
  if (version < FIRST_VERSION_OF_NOT_FOUND) return dead
  const errorMessage = `Group ${groupId} not found.`
  return { ...dead, errorCode: codeOf('GROUP_ID_NOT_FOUND'), errorMessage }
}

function answerOf(group: ClassicGroup): Answer {
  const { groupId, state: groupState, protocolType, protocolName } = group
  const isStable = groupState === 'Stable'
  return {
    ...empty(groupId),
    groupState,
    protocolType: protocolType ?? '',
    protocolData: isStable ? (protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? member.metadataFor(protocolName) : NOTHING,
      memberAssignment: member.assignment,
    })),
  }
}

function empty(groupId: string): Answer {
  return {
    errorCode: 0,
    groupId,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
  }
}
