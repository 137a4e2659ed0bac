import type { OffsetCommitValue } from '../protocol/messages/group-records.ts'
import { recordBytes } from './group-records.ts'

/**
 * What one record said of an offset. Until it is durable, clients see what was durable before: so
 * the older versions are kept with it, down to the newest that is durable.
 */
interface Version {
  /** Null: deleted. */
  readonly value: OffsetCommitValue | null
  /** Where the record is in the log. */
  readonly logOffset: number
  previous: Version | null
}

type Partitions = Map<number, Version>
type Topics = Map<string, Partitions>

export interface OffsetEntry {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  readonly value: OffsetCommitValue
}

/** The committed offsets of one partition of `__consumer_offsets`, by group, topic and partition. */
export class OffsetStore {
  /** About what the newest values take in the log. */
  liveBytes = 0
  private readonly groups = new Map<string, Topics>()

  /** Takes note of a record at `logOffset`. Everything below `durableEnd` is durable. */
  put(
    key: { groupId: string; topic: string; partition: number },
    value: OffsetCommitValue | null,
    log: { logOffset: number; durableEnd: number },
  ): void {
    const { groupId, topic, partition } = key
    const partitions = mapIn(mapIn(this.groups, groupId), topic)
    const previous = partitions.get(partition) ?? null
    this.count(key, previous?.value ?? null, -1)
    this.count(key, value, 1)
    const durable = visible(previous, log.durableEnd)
    if (durable !== null) durable.previous = null
    partitions.set(partition, { value, logOffset: log.logOffset, previous })
    this.settle(key, log.durableEnd)
  }

  private count(
    key: { groupId: string; topic: string; partition: number },
    value: OffsetCommitValue | null,
    sign: 1 | -1,
  ): void {
    if (value !== null) this.liveBytes += sign * recordBytes({ type: 'offset', ...key, value })
  }

  /** Forgets what the newest version has replaced, once that is durable. */
  settle(
    { groupId, topic, partition }: { groupId: string; topic: string; partition: number },
    durableEnd: number,
  ): void {
    const topics = this.groups.get(groupId)
    const partitions = topics?.get(topic)
    const version = partitions?.get(partition)
    if (version === undefined || version.logOffset >= durableEnd) return
    version.previous = null
    if (version.value !== null) return
    partitions?.delete(partition)
    if (partitions?.size === 0) topics?.delete(topic)
    if (topics?.size === 0) this.groups.delete(groupId)
  }

  /** The offset that clients see when everything below `durableEnd` is durable. */
  get(
    groupId: string,
    topic: string,
    partition: number,
    durableEnd: number,
  ): OffsetCommitValue | null {
    const version = this.groups.get(groupId)?.get(topic)?.get(partition)
    return visible(version ?? null, durableEnd)?.value ?? null
  }

  /** Everything of a group, as clients see it, or as the log will say it (`durableEnd` Infinity). */
  *of(groupId: string, durableEnd: number): Iterable<OffsetEntry> {
    for (const [topic, partitions] of this.groups.get(groupId) ?? []) {
      for (const [partition, version] of partitions) {
        const value = visible(version, durableEnd)?.value ?? null
        if (value !== null) yield { groupId, topic, partition, value }
      }
    }
  }

  /**
   * Whether the log may say anything of an offset: that there is one, or that one was deleted, which
   * is not durable yet. To be asked before a deletion is answered without a record of its own.
   */
  isKnown(groupId: string, topic: string, partition: number): boolean {
    return this.groups.get(groupId)?.get(topic)?.has(partition) ?? false
  }

  /** Every offset of a group that {@link isKnown}. */
  *knownOf(groupId: string): Iterable<{ topic: string; partition: number }> {
    for (const [topic, partitions] of this.groups.get(groupId) ?? []) {
      for (const partition of partitions.keys()) yield { topic, partition }
    }
  }

  /** Whether the log will say anything of the group. */
  has(groupId: string): boolean {
    for (const _entry of this.of(groupId, Number.POSITIVE_INFINITY)) return true
    return false
  }

  groupIds(): Iterable<string> {
    return this.groups.keys()
  }
}

function visible(newest: Version | null, durableEnd: number): Version | null {
  let version = newest
  while (version !== null && version.logOffset >= durableEnd) version = version.previous
  return version
}

function mapIn<K, L, V>(outer: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let inner = outer.get(key)
  if (inner === undefined) {
    inner = new Map()
    outer.set(key, inner)
  }
  return inner
}
