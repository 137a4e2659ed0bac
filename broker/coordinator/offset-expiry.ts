import type { ClassicGroup } from './classic-group.ts'
import { dropGroup } from './group-requests.ts'
import type { GroupRecord } from './group-records.ts'
import type { OffsetEntry } from './offset-store.ts'
import type { Shard } from './shard.ts'

/**
 * Removes offsets that nobody needs any more (KIP-211): those of a group that has been empty for the
 * retention time; those of topics that a stable group of consumers does not subscribe to, by their
 * own age; those of consumers that are in no group, by their own age too. A group that has neither
 * members nor offsets goes with them.
 */
export function expireOffsets(shard: Shard): void {
  if (!shard.isActive) return
  for (const group of [...shard.groups.values()]) expireGroup(shard, group)
}

function expireGroup(shard: Shard, group: ClassicGroup): void {
  const { groupId } = group
  const entries = [...shard.offsets.of(groupId, Number.POSITIVE_INFINITY)]
  const expired = entries.filter((entry) => isExpired(shard, group, entry))
  const isOver = group.state === 'Empty' && group.pendingJoins.size === 0
  if (isOver && expired.length === entries.length) {
    shard.logger.info('a group is empty and its offsets have expired', { group: groupId })
    dropGroup(shard, group, () => undefined)
    return
  }
  if (expired.length === 0) return
  shard.logger.info('offsets of a group have expired', { group: groupId, count: expired.length })
  shard.appendAll(
    expired.map(({ topic, partition }): GroupRecord => {
      return { type: 'offset', groupId, topic, partition, value: null }
    }),
  )
}

function isExpired(shard: Shard, group: ClassicGroup, { topic, value }: OffsetEntry): boolean {
  const since = usedUntilMs(group, topic, value.commitTimestamp)
  if (since === null) return false
  const nowMs = shard.clock.wallMs()
  // Older clients could ask for a retention time of their own.
  if (value.expireTimestamp !== -1) return nowMs >= value.expireTimestamp
  return nowMs - since >= shard.settings.offsetsRetentionMs
}

/** When an offset was last of use, in milliseconds since 1970; null: it is of use now. */
function usedUntilMs(group: ClassicGroup, topic: string, committedMs: number): number | null {
  if (group.protocolType === null) return committedMs
  if (group.subscribesTo(topic)) return null
  if (group.state === 'Empty') return group.stateSinceMs === -1 ? committedMs : group.stateSinceMs
  const isKnown = group.isOfConsumers && group.subscribedTopics !== null
  return isKnown && group.state === 'Stable' ? committedMs : null
}
