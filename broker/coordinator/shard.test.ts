import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { buildBatch } from '../protocol/record-batch.ts'
import { deleteGroup, groupsIn, joinGroup } from './group-requests.ts'
import { expireOffsets } from './offset-expiry.ts'
import { committedOffsets, deleteOffsets } from './offset-requests.ts'
import { ShardWorld, TOPIC } from './testing/shard-world.ts'

const HOUR_MS = 3_600_000

async function opened(settings: ConstructorParameters<typeof ShardWorld>[0] = {}) {
  const world = new ShardWorld(settings)
  await world.open()
  return world
}

function groupIds(world: ShardWorld): string[] {
  return groupsIn(world.shard, new Set())
    .map(({ groupId }) => groupId)
    .sort()
}

/** Makes a group with one member, who leaves again; the group is saved as empty. */
async function leftBehind(world: ShardWorld, groupId: string): Promise<void> {
  joinGroup(
    world.shard,
    {
      groupId,
      memberId: '',
      instanceId: null,
      clientId: 'c',
      clientHost: '/',
      sessionMs: 6_000,
      rebalanceMs: 6_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      reason: null,
      knowsIdRequired: false,
      knowsSkipAssignment: true,
    },
    () => undefined,
  )
  await world.clock.advanceBy(60_000)
  await world.settle()
  expect(world.shard.groups.get(groupId)?.saved).toMatchObject({ members: [] })
}

describe('a commit', () => {
  test('is answered and seen when it is durable, not before, and in its order', async () => {
    const world = await opened()
    const first = world.commit('g', 0, 1)
    expect([first.error, world.read('g', 0)]).toEqual([undefined, -1])
    await world.flush()
    expect([first.error, world.read('g', 0)]).toEqual([null, 1])
    const [second, third] = [world.commit('g', 0, 2), world.commit('g', 0, 3)]
    expect(world.read('g', 0)).toBe(1)
    await world.flush()
    expect([second.error, third.error, world.read('g', 0)]).toEqual([null, null, 3])
  })

  test('that never becomes durable is answered as one that was asked in the wrong place', async () => {
    const world = await opened()
    await world.flush()
    const commit = world.commit('g', 0, 1)
    await world.crash({ hasCheckpoint: false })
    expect(commit.error).toBe('not-coordinator')
    expect(world.read('g', 0)).toBe(-1)
  })

  test('that was accepted before a move is answered behind it', async () => {
    const world = await opened()
    const commit = world.commit('g', 0, 1)
    await world.move()
    expect([commit.error, world.read('g', 0)]).toEqual([null, 1])
  })
})

describe('deletions', () => {
  test('are seen when they are durable, and stay', async () => {
    const world = await opened()
    for (const partition of [0, 1]) world.commit('g', partition, 5)
    await world.settle()
    deleteOffsets(world.shard, 'g', [{ topic: TOPIC.name, partition: 0 }], () => undefined)
    expect(world.read('g', 0)).toBe(5)
    await world.settle()
    expect([world.read('g', 0), world.read('g', 1)]).toEqual([-1, 5])
    await world.move()
    expect([world.read('g', 0), world.read('g', 1)]).toEqual([-1, 5])
    deleteGroup(world.shard, 'g', () => undefined)
    await world.settle()
    expect(groupIds(world)).toEqual([])
    await world.crash({ hasCheckpoint: false })
    expect(groupIds(world)).toEqual([])
  })

  test('asked for twice are both answered when they are durable', async () => {
    const world = await opened()
    world.commit('g', 0, 5)
    await world.settle()
    const answers: unknown[] = []
    const partitions = [{ topic: TOPIC.name, partition: 0 }]
    for (let times = 0; times < 2; times++) {
      deleteOffsets(world.shard, 'g', partitions, (error) => answers.push(error))
    }
    expect([answers, world.read('g', 0)]).toEqual([[], 5])
    await world.settle()
    expect([answers, world.read('g', 0)]).toEqual([[null, null], -1])
  })

  test('of topics reach offsets that are here, and those that are loaded later', async () => {
    const world = await opened()
    const gone = 'AAAAAAAAAAAAAAAAAAAABA'
    world.image.topics.set(gone, { topicId: gone, name: 'gone', configs: {}, partitions: [] })
    world.commit('g', 0, 5, { topicId: gone })
    world.commit('g', 1, 5)
    await world.settle()
    world.image.topics.delete(gone)
    // Nobody told this one of it.
    await world.crash({ hasCheckpoint: true })
    await world.settle()
    expect(committedOffsets(world.shard, 'g').map(({ partition }) => partition)).toEqual([1])
  })
})

describe('expiry', () => {
  const offsetsRetentionMs = 10 * HOUR_MS

  test('takes the offsets of consumers in no group by their own age', async () => {
    const world = await opened({ offsetsRetentionMs })
    world.commit('g', 0, 1)
    await world.clock.advanceBy(6 * HOUR_MS)
    world.commit('g', 1, 1)
    await world.clock.advanceBy(5 * HOUR_MS)
    expireOffsets(world.shard)
    await world.settle()
    expect([world.read('g', 0), world.read('g', 1)]).toEqual([-1, 1])
    await world.clock.advanceBy(6 * HOUR_MS)
    expireOffsets(world.shard)
    await world.settle()
    expect(groupIds(world)).toEqual([])
  })

  test('waits for the retention time that an old client asked for, and no longer', async () => {
    const world = await opened({ offsetsRetentionMs })
    world.commit('g', 0, 1, { expireTimestamp: world.clock.wallMs() + 50 * HOUR_MS })
    world.commit('g', 1, 1, { expireTimestamp: world.clock.wallMs() + HOUR_MS })
    await world.clock.advanceBy(20 * HOUR_MS)
    await world.settle()
    await world.move()
    expireOffsets(world.shard)
    await world.settle()
    expect([world.read('g', 0), world.read('g', 1)]).toEqual([1, -1])
  })

  test('counts from when a group became empty, over a move too', async () => {
    const world = await opened({ offsetsRetentionMs })
    await leftBehind(world, 'g')
    world.commit('g', 0, 1)
    await world.clock.advanceBy(8 * HOUR_MS)
    world.commit('g', 1, 1)
    await world.settle()
    await world.move()
    expireOffsets(world.shard)
    expect(groupIds(world)).toEqual(['g'])
    await world.clock.advanceBy(2 * HOUR_MS)
    expireOffsets(world.shard)
    await world.settle()
    await world.crash({ hasCheckpoint: false })
    expect([groupIds(world), world.shard.liveBytes]).toEqual([[], 0])
  })

  test('leaves what is read by a group that lives', async () => {
    const world = await opened({ offsetsRetentionMs: HOUR_MS })
    world.commit('g', 0, 1)
    const group = world.shard.groupOf('g')
    group.protocolType = 'consumer'
    group.subscribedTopics = new Set([TOPIC.name])
    group.transition('PreparingRebalance', 0)
    await world.clock.advanceBy(2 * HOUR_MS)
    expireOffsets(world.shard)
    await world.settle()
    expect(world.read('g', 0)).toBe(1)
  })
})

describe('loading', () => {
  test('passes over records of a kind that it does not know, and never drops them', async () => {
    const world = await opened()
    world.commit('g', 0, 1)
    const key = Buffer.from([0, 99, 1, 2])
    world.appendForeign(buildBatch([{ key, value: Buffer.from('x'), timestamp: 0 }]))
    await world.settle()
    await world.move()
    expect(world.read('g', 0)).toBe(1)
    for (let offset = 0; offset < 700; offset++) {
      world.commit('g', 0, offset)
      await world.flush()
    }
    expect(world.partition.logStartOffset).toBe(0)
  })

  test('reads a short log, however long its history is', async () => {
    const world = await opened()
    await leftBehind(world, 'with-members')
    world.commit('old', 0, 42)
    world.commit('dropped', 0, 1)
    await world.settle()
    deleteGroup(world.shard, 'dropped', () => undefined)
    let runsMax = 0
    for (let offset = 1; offset <= 2_000; offset++) {
      world.commit('busy', offset % 3, offset)
      await world.flush()
      runsMax = Math.max(runsMax, world.partition.state?.runs.length ?? 0)
    }
    await world.settle()
    expect(runsMax).toBeLessThan(400)
    expect(world.partition.logStartOffset).toBeGreaterThan(1_000)
    for (const next of [() => world.move(), () => world.crash({ hasCheckpoint: true })]) {
      await next()
      expect([0, 1, 2].map((partition) => world.read('busy', partition))).toEqual([
        1998, 1999, 2000,
      ])
      expect(world.read('old', 0)).toBe(42)
      expect(groupIds(world)).toEqual(['busy', 'old', 'with-members'])
      expect(world.shard.groups.get('with-members')?.generation).toBe(2)
    }
  })
})

/** What happens to a coordinator, in any order. */
const deed = fc.oneof(
  { weight: 30, arbitrary: fc.record({ type: fc.constant('commit' as const), key: fc.nat(9) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('delete' as const), key: fc.nat(9) }) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant('flush' as const), key: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('burst' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('move' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('crash' as const), hasCheckpoint: fc.boolean() }),
  },
)

test('what was answered is there after any moves and deaths, what was not may be, nothing else is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 60 }), async (deeds) => {
      const world = await opened()
      const answered = new Map<number, number>()
      let pending: { key: number; offset: number; answer: { error: unknown } }[] = []
      let nextOffset = 1
      const collect = (): void => {
        for (const { key, offset, answer } of pending) {
          if (answer.error === null) answered.set(key, offset)
        }
        pending = pending.filter(({ answer }) => answer.error === undefined)
      }
      const check = (): void => {
        collect()
        for (let key = 0; key < 10; key++) {
          const seen = world.read(`g${key % 3}`, key)
          expect({ key, seen }).toEqual({ key, seen: answered.get(key) ?? -1 })
        }
      }
      const commit = (key: number): void => {
        const offset = nextOffset++
        pending.push({ key, offset, answer: world.commit(`g${key % 3}`, key, offset) })
      }
      for (const each of deeds) {
        if (each.type === 'commit') commit(each.key)
        else if (each.type === 'flush') await world.flush(() => commit(each.key))
        else if (each.type === 'move') await world.move()
        else if (each.type === 'crash') await world.crash({ hasCheckpoint: each.hasCheckpoint })
        else if (each.type === 'delete') {
          const answer: { error: unknown } = { error: undefined }
          const partitions = [{ topic: TOPIC.name, partition: each.key }]
          deleteOffsets(world.shard, `g${each.key % 3}`, partitions, (error) => {
            answer.error = error
          })
          pending.push({ key: each.key, offset: -1, answer })
        } else {
          // So much that the log is rewritten, with something under way at any time.
          const { logStartOffset } = world.partition
          for (let index = 0; index < 400; index++) {
            await world.flush(() => commit(index % 10))
            check()
            if (world.partition.logStartOffset > logStartOffset) break
          }
        }
        check()
      }
      await world.settle()
      check()
    }),
    { numRuns: 60 },
  )
}, 120_000)
