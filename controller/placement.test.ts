import { expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import { applyRecord, emptyImage } from '../metadata/image.ts'
import { randomRecords } from '../metadata/testing/random-records.ts'
import { PartitionLoads } from './loads.ts'
import { placedNodes } from './placement.ts'

const NOW_MS = 1_000

test.each([1, 2, 3, 4, 5])('what nodes have is what a look at all would find (seed %i)', (seed) => {
  const random = seededRandom(seed)
  const image = emptyImage()
  for (let step = 0; step < 200; step++) {
    for (const record of randomRecords(image, random)) applyRecord(image, record)
  }
  const loads = new PartitionLoads()
  const touched = new Map<string, Set<number>>()
  for (const { topicId, partitions } of image.topics.values()) {
    for (const [partition, { nodeId }] of partitions.entries()) {
      // Also of what nodes had once, or what is gone.
      const tellerId = random.below(3) === 0 ? nodeId + 1 : nodeId
      loads.told(tellerId, { [`${topicId}/${partition}`]: 100 + partition, 'gone/0': 7 })
      if (random.below(2) === 0) touched.set(topicId, new Set([partition]))
    }
  }
  loads.noteChanges(image, touched, NOW_MS)
  const nodes = [...image.nodes.keys()].map((nodeId) => ({ nodeId, draining: nodeId % 2 === 0 }))
  expect(nodes.length).toBeGreaterThan(1)
  for (const placed of placedNodes(image, nodes, loads, NOW_MS)) {
    const { nodeId } = placed
    const expected = [...image.topics.values()].flatMap(({ topicId, partitions }) =>
      partitions.flatMap((ownership, partition) => {
        if (ownership.nodeId !== nodeId) return []
        const movable = ownership.from.length === 0
        return { topicId, partition, movable, ...loads.of({ topicId, partition, nodeId }, NOW_MS) }
      }),
    )
    const partitions = placed.partitions()
    expect(partitions.length).toBe(expected.length)
    expect(partitions).toEqual(expect.arrayContaining(expected))
    expect(placed.count).toBe(expected.length)
    expect(placed.bytesPerSecond).toBe(
      expected.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0),
    )
    expect(placed.draining).toBe(nodeId % 2 === 0)
  }
})
