import type { Image } from '../metadata/image.ts'

/** A partition that changed its owner is left alone for so long, unless counts leave no choice. */
const REST_MS = 60_000
/**
 * A new owner needs this long until its measured rate means something: until then the old owner's
 * counts as well. Otherwise what was just moved seems to weigh nothing, and the rest moves after it.
 */
const MEASURE_MS = 20_000

interface Moved {
  readonly atMs: number
  /** What its old owner had measured. */
  readonly bytesPerSecond: number
}

function idOf(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}

/** What partitions carry, by what nodes say of themselves, and which have moved lately. */
export class PartitionLoads {
  /** By node; `topic id/partition` → bytes per second, of those that carry most. */
  private readonly measured = new Map<number, Readonly<Record<string, number>>>()
  private readonly moved = new Map<string, Moved>()

  /** A node has told what its partitions carry. */
  told(nodeId: number, loads: Readonly<Record<string, number>>): void {
    this.measured.set(nodeId, loads)
  }

  /** The node is gone. */
  forget(nodeId: number): void {
    this.measured.delete(nodeId)
  }

  /** Somebody else measures now: what is known here gets old. */
  forgetAll(): void {
    this.measured.clear()
  }

  /** Takes note of the ownerships that changed in `image`. `nowMs`: clock.nowMs. */
  noteChanges(
    image: Image,
    touched: ReadonlyMap<string, ReadonlySet<number>>,
    nowMs: number,
  ): void {
    for (const [topicId, partitions] of touched) {
      for (const partition of partitions) {
        const old = image.topics.get(topicId)?.partitions[partition]?.from[0]
        if (old === undefined) continue
        const id = idOf(topicId, partition)
        const bytesPerSecond = this.rateOf(id, old.nodeId, nowMs)
        // Last in the map, which is in the order of these times.
        this.moved.delete(id)
        this.moved.set(id, { atMs: nowMs, bytesPerSecond })
      }
    }
    this.prune(nowMs)
  }

  private prune(nowMs: number): void {
    for (const [id, { atMs }] of this.moved) {
      if (nowMs - atMs < REST_MS) return
      this.moved.delete(id)
    }
  }

  private rateOf(id: string, nodeId: number, nowMs: number): number {
    const measured = this.measured.get(nodeId)?.[id] ?? 0
    const moved = this.moved.get(id)
    const counts = moved !== undefined && nowMs - moved.atMs < MEASURE_MS
    return counts ? Math.max(measured, moved.bytesPerSecond) : measured
  }

  /** What a partition carries at its owner `nodeId`, and whether it has stayed there for a while. */
  of(
    partition: { readonly topicId: string; readonly partition: number; readonly nodeId: number },
    nowMs: number,
  ): { bytesPerSecond: number; rested: boolean } {
    const id = idOf(partition.topicId, partition.partition)
    const moved = this.moved.get(id)
    return {
      bytesPerSecond: this.rateOf(id, partition.nodeId, nowMs),
      rested: moved === undefined || nowMs - moved.atMs >= REST_MS,
    }
  }
}
