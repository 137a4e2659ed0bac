import type { GroupMetadataValue } from '../protocol/messages/group-records.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { GroupHost } from './group-host.ts'
import { Member } from './member.ts'
import { expireSession, newGroup, renewSession } from './rebalance.ts'

/** The group as the log says it is. Its members get whole new sessions to come back in. */
export function restoreGroup(
  host: GroupHost,
  groupId: string,
  value: GroupMetadataValue,
): ClassicGroup {
  const group = newGroup(host, groupId, value.currentStateTimestamp)
  group.saved = value
  group.generation = value.generation
  group.protocolType = value.protocolType === '' ? null : value.protocolType
  group.protocolName = value.protocol
  group.leaderId = value.leader
  for (const saved of value.members) {
    const { memberId, groupInstanceId: instanceId, clientId, clientHost } = saved
    const session = host.deadline(() => expireSession(host, group, memberId))
    const member = new Member({ memberId, instanceId, clientId, clientHost }, session)
    member.sessionMs = saved.sessionTimeout
    // Records of version 0 have none.
    member.rebalanceMs = saved.rebalanceTimeout < 0 ? saved.sessionTimeout : saved.rebalanceTimeout
    member.protocols = [{ name: value.protocol ?? '', metadata: saved.subscription }]
    member.assignment = saved.assignment
    group.add(member, value.protocolType)
    renewSession(member)
  }
  if (group.members.size > 0) group.state = 'Stable'
  group.readSubscriptions()
  return group
}
