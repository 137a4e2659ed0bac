import { describe, expect, test } from '@jest/globals'
import { emptyImage, type Image } from '../metadata/image.ts'
import { PartitionLoads } from './loads.ts'

const ID = { topicId: 't', partition: 0 }

function owned(
  image: Image,
  nodeId: number,
  from: { nodeId: number; leaderEpoch: number }[],
): void {
  const partitions = [{ nodeId, leaderEpoch: 1, from, refs: [] }]
  image.topics.set('t', { topicId: 't', name: 't', configs: {}, partitions })
}

function touched(): Map<string, Set<number>> {
  return new Map([['t', new Set([0])]])
}

describe('PartitionLoads', () => {
  test('a partition weighs what its owner says, nobody else', () => {
    const loads = new PartitionLoads()
    loads.told(1, { 't/0': 500 })
    loads.told(2, { 't/0': 9 })
    expect(loads.of({ ...ID, nodeId: 1 }, 0)).toEqual({ bytesPerSecond: 500, rested: true })
    expect(loads.of({ ...ID, nodeId: 3 }, 0).bytesPerSecond).toBe(0)
    loads.told(1, {})
    expect(loads.of({ ...ID, nodeId: 1 }, 0).bytesPerSecond).toBe(0)
  })

  test('after a move it weighs no less than before, until its new owner has measured it', () => {
    const loads = new PartitionLoads()
    const image = emptyImage()
    loads.told(1, { 't/0': 500 })
    owned(image, 2, [{ nodeId: 1, leaderEpoch: 0 }])
    loads.noteChanges(image, touched(), 1_000)
    loads.told(1, {})
    loads.told(2, { 't/0': 20 })
    expect(loads.of({ ...ID, nodeId: 2 }, 2_000)).toEqual({ bytesPerSecond: 500, rested: false })
    loads.told(2, { 't/0': 700 })
    expect(loads.of({ ...ID, nodeId: 2 }, 3_000).bytesPerSecond).toBe(700)
    loads.told(2, { 't/0': 20 })
    expect(loads.of({ ...ID, nodeId: 2 }, 40_000)).toEqual({ bytesPerSecond: 20, rested: false })
    expect(loads.of({ ...ID, nodeId: 2 }, 61_000)).toEqual({ bytesPerSecond: 20, rested: true })
  })

  test('moved on before it was measured, it keeps its weight', () => {
    const loads = new PartitionLoads()
    const image = emptyImage()
    loads.told(1, { 't/0': 500 })
    owned(image, 2, [{ nodeId: 1, leaderEpoch: 0 }])
    loads.noteChanges(image, touched(), 0)
    owned(image, 3, [{ nodeId: 2, leaderEpoch: 1 }])
    loads.noteChanges(image, touched(), 5_000)
    expect(loads.of({ ...ID, nodeId: 3 }, 6_000).bytesPerSecond).toBe(500)
  })

  test('a checkpoint, which changes the ownership too, is no move', () => {
    const loads = new PartitionLoads()
    const image = emptyImage()
    owned(image, 2, [])
    loads.noteChanges(image, touched(), 0)
    loads.noteChanges(image, new Map([['gone', new Set([0])]]), 0)
    expect(loads.of({ ...ID, nodeId: 2 }, 0).rested).toBe(true)
  })

  test('the sum of a node is up to date where something moved, and soon elsewhere', () => {
    const loads = new PartitionLoads()
    const image = emptyImage()
    const sumsAt = (nowMs: number): (number | undefined)[] => {
      const sums = loads.byNode(image, nowMs)
      return [1, 2, 3].map((nodeId) => sums.get(nodeId) ?? 0)
    }
    owned(image, 1, [])
    loads.told(1, { 't/0': 500, 'gone/0': 3 })
    loads.told(2, {})
    expect(sumsAt(0)).toEqual([500, 0, 0])
    owned(image, 2, [{ nodeId: 1, leaderEpoch: 0 }])
    loads.noteChanges(image, touched(), 1_000)
    expect(sumsAt(1_000)).toEqual([0, 500, 0])
    loads.told(2, { 't/0': 900 })
    expect(sumsAt(1_500)).toEqual([0, 500, 0])
    expect(sumsAt(6_000)).toEqual([0, 900, 0])
    owned(image, 3, [{ nodeId: 2, leaderEpoch: 1 }])
    loads.noteChanges(image, touched(), 6_100)
    expect(sumsAt(6_100)).toEqual([0, 0, 900])
    loads.forgetAll()
    expect(sumsAt(30_000)).toEqual([0, 0, 0])
  })
})
