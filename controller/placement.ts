import { assert } from '../base/assert.ts'
import type { Image, TopicEntry } from '../metadata/image.ts'
import type { PlacedNode, PlacedPartition } from './balancer.ts'
import type { PartitionLoads } from './loads.ts'

const NONE = -1

/**
 * Which partitions each node owns, as lists through arrays of numbers: one look at every partition,
 * without an object for each. It holds for as long as the image does not change.
 */
class OwnedLists {
  private readonly topics: TopicEntry[] = []
  /** The count of all partitions before those of the topic. */
  private readonly starts: number[] = []
  private readonly topicOf: Int32Array
  private readonly next: Int32Array
  private readonly first: Int32Array

  constructor(image: Image) {
    let count = 0
    for (const topic of image.topics.values()) {
      this.topics.push(topic)
      this.starts.push(count)
      count += topic.partitions.length
    }
    this.topicOf = new Int32Array(count)
    this.next = new Int32Array(count)
    this.first = new Int32Array(image.scalars.nextNodeId).fill(NONE)
    let at = 0
    for (const [topicIndex, { partitions }] of this.topics.entries()) {
      for (const { nodeId } of partitions) {
        this.topicOf[at] = topicIndex
        this.next[at] = this.first[nodeId] ?? NONE
        this.first[nodeId] = at++
      }
    }
  }

  *of(nodeId: number): Generator<{ topic: TopicEntry; partition: number }> {
    for (let at = this.first[nodeId] ?? NONE; at !== NONE; at = this.next[at] ?? NONE) {
      const topicIndex = this.topicOf[at] as number
      const topic = this.topics[topicIndex] as TopicEntry
      yield { topic, partition: at - (this.starts[topicIndex] as number) }
    }
  }
}

/**
 * What the balancer looks at. A settled cluster costs what it has nodes and busy partitions; only
 * where something is to move, every partition is looked at, and only those of givers get an object.
 */
export function placedNodes(
  image: Image,
  nodes: readonly { readonly nodeId: number; readonly draining: boolean }[],
  loads: PartitionLoads,
  nowMs: number,
): PlacedNode[] {
  const loadByNode = loads.byNode(image, nowMs)
  let lists: OwnedLists | null = null
  const partitionsOf = (nodeId: number): PlacedPartition[] => {
    lists ??= new OwnedLists(image)
    return Array.from(lists.of(nodeId), ({ topic, partition }) => {
      const { topicId } = topic
      const ownership = topic.partitions[partition]
      assert(ownership?.nodeId === nodeId, 'the image stays as it is while moves are planned')
      const movable = ownership.from.length === 0
      return { topicId, partition, movable, ...loads.of({ topicId, partition, nodeId }, nowMs) }
    })
  }
  return nodes.map(({ nodeId, draining }) => ({
    nodeId,
    draining,
    count: image.ownedCounts.get(nodeId) ?? 0,
    bytesPerSecond: loadByNode.get(nodeId) ?? 0,
    partitions: () => partitionsOf(nodeId),
  }))
}
