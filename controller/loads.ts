import { type Image, ownershipOf } from '../metadata/image.ts'

/** A partition that changed its owner is left alone for so long, unless counts leave no choice. */
const REST_MS = 60_000
/**
 * A new owner needs this long until its measured rate means something: until then the old owner's
 * counts as well. Otherwise what was just moved seems to weigh nothing, and the rest moves after it.
 */
const MEASURE_MS = 20_000
/** What all nodes carry is summed up this often: measurements are means over as long. */
const SUM_EVERY_MS = 5_000

interface Moved {
  readonly topicId: string
  readonly partition: number
  readonly atMs: number
  /** What its old owner had measured. */
  readonly bytesPerSecond: number
}

function idOf(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}

function ownerOf(image: Image, id: string): number | undefined {
  const slash = id.lastIndexOf('/')
  return ownershipOf(image, id.slice(0, slash), Number(id.slice(slash + 1)))?.nodeId
}

/** What partitions carry, by what nodes say of themselves, and which have moved lately. */
export class PartitionLoads {
  /** By node; `topic id/partition` → bytes per second, of those that carry most. */
  private readonly measured = new Map<number, Readonly<Record<string, number>>>()
  private readonly moved = new Map<string, Moved>()
  /** Node → what its partitions carry together, but of `stale` nodes. */
  private readonly sums = new Map<number, number>()
  private readonly stale = new Set<number>()
  private summedAtMs = Number.NEGATIVE_INFINITY

  /** A node has told what its partitions carry. */
  told(nodeId: number, loads: Readonly<Record<string, number>>): void {
    if (!this.measured.has(nodeId)) this.stale.add(nodeId)
    this.measured.set(nodeId, loads)
  }

  /** The node is gone. */
  forget(nodeId: number): void {
    if (this.measured.delete(nodeId)) this.stale.add(nodeId)
  }

  /** Somebody else measures now: what is known here gets old. */
  forgetAll(): void {
    this.measured.clear()
    this.sumAnew()
  }

  /** What was summed up holds no more: topics are gone. */
  sumAnew(): void {
    this.summedAtMs = Number.NEGATIVE_INFINITY
    this.stale.clear()
  }

  /** Takes note of the ownerships that changed in `image`. `nowMs`: clock.nowMs. */
  noteChanges(
    image: Image,
    touched: ReadonlyMap<string, ReadonlySet<number>>,
    nowMs: number,
  ): void {
    for (const [topicId, partitions] of touched) {
      for (const partition of partitions) {
        const ownership = ownershipOf(image, topicId, partition)
        const old = ownership?.from[0]
        if (ownership === undefined || old === undefined) continue
        this.stale.add(ownership.nodeId).add(old.nodeId)
        const id = idOf(topicId, partition)
        const bytesPerSecond = this.rateOf(id, old.nodeId, nowMs)
        // Last in the map, which is in the order of these times.
        this.moved.delete(id)
        this.moved.set(id, { topicId, partition, atMs: nowMs, bytesPerSecond })
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

  /**
   * What the partitions of each node carry together. New measurements count after a while; what
   * moved counts at once, for the two nodes that it is about: else it would be moved again.
   */
  byNode(image: Image, nowMs: number): ReadonlyMap<number, number> {
    const { measured, moved, sums, stale } = this
    if (nowMs - this.summedAtMs >= SUM_EVERY_MS) {
      this.summedAtMs = nowMs
      sums.clear()
      for (const nodeId of measured.keys()) stale.add(nodeId)
      for (const { topicId, partition } of moved.values()) {
        const owner = ownershipOf(image, topicId, partition)
        if (owner !== undefined) stale.add(owner.nodeId)
      }
    }
    if (stale.size === 0) return sums
    for (const nodeId of stale) sums.set(nodeId, this.measuredSum(image, nodeId, nowMs))
    for (const [id, { topicId, partition, atMs, bytesPerSecond }] of moved) {
      const nodeId = ownershipOf(image, topicId, partition)?.nodeId
      if (nodeId === undefined || !stale.has(nodeId) || nowMs - atMs >= MEASURE_MS) continue
      if (measured.get(nodeId)?.[id] !== undefined) continue
      sums.set(nodeId, (sums.get(nodeId) ?? 0) + bytesPerSecond)
    }
    stale.clear()
    return sums
  }

  private measuredSum(image: Image, nodeId: number, nowMs: number): number {
    const measured = this.measured.get(nodeId)
    let sum = 0
    for (const id in measured) {
      // Whoever gave a partition away measures it for a while yet.
      if (ownerOf(image, id) === nodeId) sum += this.rateOf(id, nodeId, nowMs)
    }
    return sum
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
