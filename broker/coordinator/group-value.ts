import type { GroupMetadataValue } from '../protocol/messages/group-records.ts'
import type { ClassicGroup } from './classic-group.ts'
import { NO_ASSIGNMENT } from './member.ts'

/** What the log says of a group. `assignments`: by member id; without them, those of the members. */
export function groupValue(
  group: ClassicGroup,
  assignments: ReadonlyMap<string, Buffer> | null = null,
): GroupMetadataValue {
  const { protocolName } = group
  return {
    protocolType: group.protocolType ?? '',
    generation: group.generation,
    protocol: protocolName,
    leader: group.leaderId,
    currentStateTimestamp: group.stateSinceMs,
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceMs,
      sessionTimeout: member.sessionMs,
      subscription: member.metadataFor(protocolName),
      assignment:
        assignments === null
          ? member.assignment
          : (assignments.get(member.memberId) ?? NO_ASSIGNMENT),
    })),
  }
}
