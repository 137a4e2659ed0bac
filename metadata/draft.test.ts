import { describe, expect, test } from '@jest/globals'
import type { Random } from '../base/random.ts'
import { seededRandom } from '../base/random.ts'
import type { Touched } from './draft.ts'
import { Draft } from './draft.ts'
import type { Image } from './image.ts'
import { applyRecord, countOwnership, emptyImage, IMAGE_TABLES } from './image.ts'
import { applyChecked } from './invariants.ts'
import { randomRecords } from './testing/random-records.ts'

/** Everything that can be read from an image or a draft, without regard to the order of keys. */
function contents(state: Image | Draft): unknown {
  const tables = IMAGE_TABLES.map((name) => {
    const entries: Iterable<[unknown, unknown]> = state[name].entries()
    return new Map(entries)
  })
  return { scalars: { ...state.scalars }, tables }
}

/** An image with a history. */
function grownImage(random: Random, steps = 80): Image {
  const image = emptyImage()
  for (let step = 0; step < steps; step++) {
    for (const record of randomRecords(image, random)) applyRecord(image, record)
  }
  return image
}

/** Keys whose entries differ. */
function differing<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): Set<K> {
  const keys = new Set([...before.keys(), ...after.keys()])
  for (const key of keys) if (before.get(key) === after.get(key)) keys.delete(key)
  return keys
}

function expectTouched(touched: Touched, before: Image, after: Image): void {
  for (const name of ['nodes', 'topics', 'configs'] as const) {
    const changed = differing<unknown, unknown>(before[name], after[name])
    expect([...touched[name]]).toEqual(expect.arrayContaining([...changed]))
  }
  for (const [topicId, topic] of after.topics) {
    for (const [partition, ownership] of topic.partitions.entries()) {
      if (before.topics.get(topicId)?.partitions[partition] === ownership) continue
      expect(touched.partitions.get(topicId)?.has(partition)).toBe(true)
    }
  }
}

/** Another image with the same entries. */
function shallowCopy(image: Image): Image {
  return {
    scalars: { ...image.scalars },
    nodes: new Map(image.nodes),
    topics: new Map(image.topics),
    topicIds: new Map(image.topicIds),
    configs: new Map(image.configs),
    nodeUses: new Map(image.nodeUses),
    ownedCounts: new Map(image.ownedCounts),
  }
}

describe('a draft', () => {
  test.each([1, 2, 3, 4, 5, 6])('does what its image would do (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const image = grownImage(random)
    for (let round = 0; round < 40; round++) {
      const before = shallowCopy(image)
      const textBefore = JSON.stringify([...image.topics])
      const direct = shallowCopy(image)
      const draft = new Draft(image)
      for (let step = 0; step < 8; step++) {
        for (const record of randomRecords(draft, random)) {
          applyChecked(draft, record)
          applyRecord(direct, record)
        }
      }
      expect(contents(draft)).toEqual(contents(direct))
      expect(contents(image)).toEqual(contents(before))
      const touched = draft.commit()
      expect(contents(image)).toEqual(contents(direct))
      expectTouched(touched, before, image)
      // What was read from the image before must not have changed under the reader's hands.
      expect(JSON.stringify([...before.topics])).toBe(textBefore)
    }
  })

  test.each([11, 12, 13, 14])('comes back from a rollback as if nothing was (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const image = grownImage(random)
    const untouched = JSON.stringify([...image.topics])
    const draft = new Draft(image)
    for (let round = 0; round < 60; round++) {
      const mark = draft.mark()
      const before = contents(draft)
      for (let step = 0; step < 6; step++) {
        for (const record of randomRecords(draft, random)) applyRecord(draft, record)
      }
      if (random.below(3) === 0) continue
      draft.rollback(mark)
      expect(contents(draft)).toEqual(before)
    }
    const kept = contents(draft)
    expect(JSON.stringify([...image.topics])).toBe(untouched)
    draft.commit()
    expect(contents(image)).toEqual(kept)
  })

  test('what is rolled back is not told as touched', () => {
    const random = seededRandom(5)
    const image = grownImage(random)
    const draft = new Draft(image)
    const mark = draft.mark()
    for (let step = 0; step < 50; step++) {
      for (const record of randomRecords(draft, random)) applyRecord(draft, record)
    }
    draft.rollback(mark)
    const nothing = new Set()
    expect(draft.commit()).toEqual({
      nodes: nothing,
      topics: nothing,
      partitions: new Map(),
      configs: nothing,
      scalars: false,
    })
  })
})

describe('an image', () => {
  test.each([21, 22, 23])(
    'counts the uses of nodes, and what they own, as a scan would (seed %i)',
    (seed) => {
      const random = seededRandom(seed)
      const image = grownImage(random, 0)
      for (let step = 0; step < 400; step++) {
        for (const record of randomRecords(image, random)) applyRecord(image, record)
        const counted = emptyImage()
        const owned: number[] = []
        for (const { partitions } of image.topics.values()) {
          for (const ownership of partitions) countOwnership(counted, ownership, 1)
          owned.push(...partitions.map(({ nodeId }) => nodeId))
        }
        expect(image.nodeUses).toEqual(counted.nodeUses)
        for (const nodeId of image.nodes.keys()) {
          const count = owned.filter((owner) => owner === nodeId).length
          expect(image.ownedCounts.get(nodeId) ?? 0).toBe(count)
        }
      }
      expect(image.nodeUses.size).toBeGreaterThan(1)
    },
  )
})
