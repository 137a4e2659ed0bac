import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { decodeHotState } from './hot-state.ts'
import { epochKey, scanNode } from './node-scan.ts'
import { PartitionWorld, TOPIC } from './testing/partition-world.ts'

/** The log start that a taker of the node finds. */
async function foundLogStart(world: PartitionWorld): Promise<number | undefined> {
  const id = epochKey(TOPIC, 0, 0)
  const { nodeId, store } = world
  const options = { nodeId, sealedEnd: world.wal.durableEnd, wishes: new Set([id]), nowMs: 0 }
  const result = await scanNode(store, options)
  return result.outcome === 'complete' ? result.found.get(id)?.state.logStartOffset : undefined
}

test('a log start is told of once it is durable, and a taker finds it', async () => {
  const world = new PartitionWorld()
  const partition = world.opening()
  for (const count of [3, 3, 3]) world.append(partition, { value: 'x', count })
  await world.settle()
  const told: boolean[] = []
  partition.deleteBefore(5, (isDone) => told.push(isDone))
  partition.deleteBefore(2, (isDone) => told.push(isDone))
  expect([told, partition.logStartOffset]).toEqual([[], 0])
  await world.settle()
  expect([told, partition.logStartOffset]).toEqual([[true, true], 5])
  expect(await foundLogStart(world)).toBe(5)
  partition.deleteBefore(4, (isDone) => told.push(isDone))
  expect([told.length, partition.logStartOffset]).toEqual([3, 5])
})

test('a close that follows at once says it too; one that never becomes durable is refused', async () => {
  const world = new PartitionWorld()
  const partition = world.opening()
  world.append(partition, { value: 'x', count: 9 })
  await world.settle()
  const told: boolean[] = []
  world.append(partition, { value: 'y', count: 2 })
  partition.deleteBefore(9, (isDone) => told.push(isDone))
  partition.beginClose()
  partition.deleteBefore(3, (isDone) => told.push(isDone))
  await world.settle()
  expect(told).toEqual([false, true])
  const [closed] = world.closedStates
  expect(closed && decodeHotState(closed.state)).toMatchObject({ logStartOffset: 9, endOffset: 11 })
  expect(await foundLogStart(world)).toBe(9)

  const other = new PartitionWorld()
  const abandoned = other.opening()
  other.append(abandoned, { value: 'x', count: 9 })
  await other.settle()
  const refused: boolean[] = []
  abandoned.deleteBefore(9, (isDone) => refused.push(isDone))
  abandoned.abandon()
  await other.settle()
  expect(refused).toEqual([false])
})

test('whatever is appended and deleted, a taker begins where the owner did', async () => {
  const deeds = fc.array(
    fc.oneof(
      fc.record({ append: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.constant('settle' as const),
    ),
    { minLength: 1, maxLength: 40 },
  )
  await fc.assert(
    fc.asyncProperty(deeds, async (list) => {
      const world = new PartitionWorld()
      const partition = world.opening()
      let wanted = 0
      for (const deed of list) {
        if (deed === 'settle') await world.settle()
        else if ('append' in deed) world.append(partition, { value: 'x', count: deed.append })
        else {
          const offset = Math.floor(partition.highWatermark * deed.share)
          wanted = Math.max(wanted, offset)
          partition.deleteBefore(offset, () => {})
        }
      }
      await world.settle()
      expect([partition.logStartOffset, await foundLogStart(world)]).toEqual([wanted, wanted])
    }),
    { numRuns: 60 },
  )
})
