import { describe, expect, test } from '@jest/globals'
import { objectKind } from '../object-store/header.ts'
import { seededRandom } from '../base/random.ts'
import { walKey } from '../metadata/keys.ts'
import { ControllerWorld } from './testing/controller-world.ts'

const MEBIBYTE = 1024 * 1024

async function cluster(count: number, settings = {}): Promise<ControllerWorld> {
  const world = new ControllerWorld(settings)
  await world.addNodes(count)
  await world.clock.advanceBy(2_000)
  return world
}

describe('who holds the controller', () => {
  test('one does, and it stays the same while all is well', async () => {
    const world = await cluster(4)
    expect(world.holders()).toEqual([1])
    const { term } = world.log.image.scalars.controller ?? {}
    await world.clock.advanceBy(120_000)
    expect(world.holders()).toEqual([1])
    expect(world.log.image.scalars.controller?.term).toBe(term)
  })

  test('when it dies, one of the others takes its place and takes it over', async () => {
    const world = await cluster(4)
    await world.createTopic('t', [1, 1, 2, 3])
    world.byId(1).kill()
    await world.clock.advanceBy(4_000)
    expect(world.holders()).toHaveLength(1)
    expect(world.statesOfNodes()).toMatchObject({ 2: 'active', 3: 'active', 4: 'active' })
    expect(world.statesOfNodes()[1] ?? 'sealed').toBe('sealed')
    expect(world.owners('t')).not.toContain(1)
  })

  test('who does not want it does not take it', async () => {
    const world = await cluster(3)
    world.byId(2).isCandidate = false
    world.byId(1).kill()
    await world.clock.advanceBy(4_000)
    expect(world.holders()).toEqual([3])
  })

  test('a holder that was cut off for a moment fences nobody when the controller comes back to it', async () => {
    const world = await cluster(3)
    await world.createTopic('t', [1, 2, 3])
    const [first, second] = [world.byId(1), world.byId(2)]
    // Longer than the lease, shorter than what kills a node.
    first.isCutOff = true
    await world.clock.advanceBy(1_300)
    first.isCutOff = false
    await world.clock.advanceBy(30_000)
    expect(world.holders()).toEqual([2])
    // The second one drains; whoever follows has not asked anybody for half a minute, if ever.
    second.isCandidate = false
    await world.append([{ type: 'node-draining', nodeId: 2, draining: true }])
    await world.clock.advanceBy(10_000)
    await world.append([{ type: 'node-sealed', nodeId: 2, sealedEnd: 0 }])
    await world.clock.advanceBy(30_000)
    expect(world.holders()).toEqual([1])
    expect(world.statesOfNodes()).toMatchObject({ 1: 'active', 3: 'active' })
    expect(new Set(world.owners('t'))).toEqual(new Set([1, 3]))
  })
})

describe('more nodes than are asked in each tick', () => {
  // Ten nodes, of which each is asked every fifth tick: once a second.
  const settings = { pingsPerSecondMax: 10 }

  test('cost no more pings, and keep their controller', async () => {
    const world = await cluster(10, settings)
    world.pingCount = 0
    await world.clock.advanceBy(60_000)
    expect(world.pingCount).toBeGreaterThan(9 * 55)
    expect(world.pingCount).toBeLessThan(9 * 65)
    expect(world.holders()).toEqual([1])
    expect(Object.values(world.statesOfNodes())).toEqual(Array(10).fill('active'))
  })

  test.each(['refused', 'no-answer'] as const)(
    'are taken over all the same: %s',
    async (failure) => {
      const world = await cluster(10, settings)
      world.byId(7).kill(failure)
      // A round of all of them, and what a node is given in any case.
      await world.clock.advanceBy(1_000 + (failure === 'refused' ? 500 : 2_500))
      expect(world.statesOfNodes()[7] ?? 'sealed').toBe('sealed')
      const others = Object.values(world.statesOfNodes()).filter((state) => state === 'active')
      expect(others).toHaveLength(9)
    },
  )

  test('replace their controller when it dies', async () => {
    const world = await cluster(10, settings)
    world.byId(1).kill()
    await world.clock.advanceBy(5_000)
    expect(world.holders()).toHaveLength(1)
    expect(world.statesOfNodes()[1] ?? 'sealed').toBe('sealed')
  })
})

describe('who is taken over', () => {
  test('nobody who answers, however long it goes on', async () => {
    const world = await cluster(5)
    await world.createTopic('t', [1, 2, 3, 4, 5])
    await world.clock.advanceBy(300_000)
    expect(Object.values(world.statesOfNodes())).toEqual(Array(5).fill('active'))
    expect(await world.store.list({ prefix: 'wal/' })).toEqual([])
  })

  test('who is silent for too long, once and whole, with a fence first', async () => {
    const world = await cluster(3)
    await world.createTopic('t', [3, 3, 3, 3, 1])
    world.byId(3).kill('no-answer')
    await world.clock.advanceBy(1_000)
    expect(world.statesOfNodes()[3]).toBe('active')
    await world.clock.advanceBy(3_000)
    expect(world.owners('t')).not.toContain(3)
    const sealed = world.store.history.flatMap(({ batch }) =>
      batch.records.filter(({ type }) => type === 'node-sealed'),
    )
    expect(sealed).toEqual([{ type: 'node-sealed', nodeId: 3, sealedEnd: 0 }])
    const fence = (await world.store.get(walKey(3, 0))) as Buffer
    expect(fence[6]).toBe(objectKind.walFence)
    const counts = [1, 2].map((id) => world.owners('t').filter((owner) => owner === id).length)
    expect(Math.abs((counts[0] ?? 0) - (counts[1] ?? 0))).toBeLessThanOrEqual(1)
  })

  test('who refuses connections, without the wait', async () => {
    const world = await cluster(3)
    await world.createTopic('t', [3])
    world.byId(3).kill('refused')
    await world.clock.advanceBy(700)
    expect(world.owners('t')).not.toContain(3)
  })

  test('who was silent for a moment only is left alone', async () => {
    const world = await cluster(3)
    for (let round = 0; round < 20; round++) {
      world.byId(3).isCutOff = true
      await world.clock.advanceBy(300)
      world.byId(3).isCutOff = false
      await world.clock.advanceBy(1_500)
    }
    expect(world.statesOfNodes()[3]).toBe('active')
  })

  test('not the many by the one that hears none of them: it is the one that is cut off', async () => {
    const world = await cluster(4)
    await world.createTopic('t', [1, 2, 3, 4])
    world.byId(1).isCutOff = true
    await world.clock.advanceBy(20_000)
    expect(world.statesOfNodes()).toMatchObject({ 2: 'active', 3: 'active', 4: 'active' })
    expect(world.statesOfNodes()[1] ?? 'sealed').toBe('sealed')
    expect(world.owners('t')).not.toContain(1)
  })

  test('nobody by one that was replaced and does not know: it reads the log before it fences', async () => {
    const world = await cluster(3)
    const first = world.byId(1)
    first.isCutOff = true
    void first.log.stop()
    await world.clock.advanceBy(30_000)
    expect(first.controller.isHolder).toBe(true)
    const fences = (await world.store.list({ prefix: 'wal/' })).map(({ key }) => key)
    expect(fences).toEqual([walKey(1, 0)])
  })

  test('whatever links fail for a while, a majority that hears each other lives on', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = seededRandom(seed)
      const world = await cluster(5)
      await world.createTopic('t', [1, 2, 3, 4, 5])
      const cut = 1 + random.below(2)
      for (let nodeId = 1; nodeId <= cut; nodeId++) world.byId(nodeId).isCutOff = true
      await world.clock.advanceBy(random.below(30_000))
      for (let nodeId = 1; nodeId <= cut; nodeId++) world.byId(nodeId).isCutOff = false
      await world.clock.advanceBy(5_000)
      expect({ seed, ...world.statesOfNodes() }).toMatchObject({
        seed,
        3: 'active',
        4: 'active',
        5: 'active',
      })
    }
  })

  test('nobody, where nobody is left to take over', async () => {
    const world = await cluster(2)
    await world.createTopic('t', [2])
    await world.append([{ type: 'node-draining', nodeId: 1, draining: true }])
    world.byId(2).kill()
    await world.clock.advanceBy(10_000)
    expect(world.statesOfNodes()[2]).toBe('active')
    expect(world.owners('t')).toEqual([2])
    const third = await world.addNode()
    await world.clock.advanceBy(5_000)
    expect(world.owners('t')).toEqual([third.nodeId])
  })

  test('a node that is forgotten leaves its fence, and no objects', async () => {
    const world = await cluster(3)
    await world.createTopic('t', [3])
    world.byId(3).kill()
    await world.clock.advanceBy(10_000)
    expect(world.statesOfNodes()).toEqual({ 1: 'active', 2: 'active' })
    expect((await world.store.list({ prefix: 'wal/' })).map(({ key }) => key)).toEqual([
      walKey(3, 0),
    ])
  })

  test('what a cluster owned that was killed whole goes to whoever comes next', async () => {
    const world = await cluster(2)
    await world.createTopic('t', [1, 2, 1, 2])
    for (const node of [...world.nodes]) node.kill()
    const next = await world.addNode()
    await world.clock.advanceBy(10_000)
    expect(world.owners('t')).toEqual(Array(4).fill(next.nodeId))
    expect(world.holders()).toEqual([next.nodeId])
  })
})

describe('balance', () => {
  function loadsOf(world: ControllerWorld, topicId: string): Map<number, number> {
    const loads = new Map<number, number>()
    world.owners(topicId).forEach((owner, partition) => {
      const rate = world.rates.get(`${topicId}/${partition}`) ?? 0
      loads.set(owner, (loads.get(owner) ?? 0) + rate)
    })
    return loads
  }

  function movesInAll(world: ControllerWorld): number {
    return [...world.moves().values()].reduce((sum, count) => sum + count, 0)
  }

  /** Three nodes with 300 partitions, of which there are to be `count`. */
  async function ordered(count: number): Promise<ControllerWorld> {
    const world = await cluster(3)
    const operator = await world.addOperator('operator:a')
    await world.clock.advanceBy(2_000)
    await world.createTopic(
      't',
      Array.from({ length: 300 }, (_, index) => 1 + (index % 3)),
    )
    operator.controller.expectNodes(count)
    return world
  }

  function shareOf(world: ControllerWorld, nodeId: number): number {
    return world.owners('t').filter((owner) => owner === nodeId).length
  }

  test('a new node gets its share, then nothing moves any more', async () => {
    const world = await cluster(2)
    await world.createTopic(
      't',
      Array.from({ length: 30 }, (_, index) => 1 + (index % 2)),
    )
    await world.addNode()
    await world.clock.advanceBy(10_000)
    const counts = [1, 2, 3].map((id) => shareOf(world, id))
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2)
    const moved = movesInAll(world)
    await world.clock.advanceBy(300_000)
    expect(movesInAll(world)).toBe(moved)
  })

  test("the controller's own partitions weigh what they carry: else all load goes to its node", async () => {
    const world = await cluster(2)
    for (let index = 0; index < 12; index++) world.rates.set(`t/${index}`, 4 * MEBIBYTE)
    await world.createTopic(
      't',
      Array.from({ length: 12 }, (_, index) => 1 + (index % 2)),
    )
    await world.clock.advanceBy(300_000)
    expect(movesInAll(world)).toBe(0)
  })

  test('what has just moved weighs what it did before: a move draws no others after it', async () => {
    const world = await cluster(2)
    // Even counts, but all the load is on the second node.
    const owners = Array.from({ length: 40 }, (_, index) => 1 + (index % 2))
    owners.forEach((owner, index) => {
      if (owner === 2) world.rates.set(`t/${index}`, 4 * MEBIBYTE)
    })
    await world.createTopic('t', owners)
    await world.clock.advanceBy(300_000)
    const loads = [...loadsOf(world, 't').values()]
    expect(loads).toHaveLength(2)
    expect(Math.max(...loads) / Math.min(...loads)).toBeLessThan(1.6)
    expect(Math.max(...world.moves().values())).toBe(1)
    // Half of the load and as many idle ones the other way.
    expect(movesInAll(world)).toBeLessThanOrEqual(22)
  })

  test('nodes that were ordered together get their shares one by one, and nothing moves twice', async () => {
    const world = await ordered(6)
    for (let count = 0; count < 3; count++) {
      await world.addNode()
      await world.clock.advanceBy(1_000)
    }
    const counts = [4, 5, 6].map((id) => shareOf(world, id))
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(45)
    expect(Math.max(...counts)).toBeLessThanOrEqual(50)
    expect(Math.max(...world.moves().values())).toBe(1)
  })

  test('where those that were ordered do not come, the others share evenly after a while', async () => {
    const world = await ordered(6)
    await world.addNode()
    const sharesOfFourth = async (afterMs: number): Promise<number> => {
      await world.clock.advanceBy(afterMs)
      return shareOf(world, 4)
    }
    expect(await sharesOfFourth(20_000)).toBe(50)
    expect(await sharesOfFourth(20_000)).toBeGreaterThanOrEqual(67)
  })

  test('who comes has its share soon, though nobody tells an operator of it', async () => {
    const world = await ordered(4)
    await world.addNode()
    await world.clock.advanceBy(300)
    expect(shareOf(world, 4)).toBeGreaterThan(60)
  })

  test('a draining node is emptied', async () => {
    const world = await cluster(3)
    await world.createTopic('t', [3, 3, 3, 1, 2])
    await world.append([{ type: 'node-draining', nodeId: 3, draining: true }])
    await world.clock.advanceBy(5_000)
    expect(world.owners('t')).not.toContain(3)
  })
})

test('the metadata log is kept short, and can still be read from its start', async () => {
  const world = await cluster(2, { snapshotEveryBatches: 10 })
  for (let index = 0; index < 60; index++) await world.createTopic(`t${index}`, [1])
  await world.clock.advanceBy(5_000)
  expect((await world.store.list({ prefix: 'meta/log/' })).length).toBeLessThan(40)
  const late = await world.addNode()
  expect(late.log.image.topics.size).toBe(60)
})
