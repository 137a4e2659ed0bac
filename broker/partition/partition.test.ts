import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { walKey } from '../../metadata/keys.ts'
import { memoryStore } from '../../object-store/memory.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { baseOffset, computeCrc, crc, partitionLeaderEpoch } from '../protocol/batch-header.ts'
import { decodeLogObjectTail, type IndexEntry } from '../wal/log-object.ts'
import { decodeHotState, emptyHotState } from './hot-state.ts'
import { PartitionWorld, type Told } from './testing/partition-world.ts'

/** The entries of a node's log, as a taker would read them: `seq:type`. */
async function entriesOf(world: PartitionWorld): Promise<(IndexEntry & { seq: number })[]> {
  const entries: (IndexEntry & { seq: number })[] = []
  for (let seq = 0; seq < world.wal.durableEnd; seq++) {
    const key = walKey(world.nodeId, seq)
    const tail = await world.store.get(key, { suffixBytes: 1 << 20 })
    const index = decodeLogObjectTail(key, { nodeId: world.nodeId, seq }, tail as Buffer)
    if (index.kind !== 'data') throw new Error(`${key} is a ${index.kind}`)
    for (const entry of index.entries) entries.push({ ...entry, seq })
  }
  return entries
}

/** A store whose PUTs end only once they may. */
function gatedStore(): { store: ObjectStore; open: () => void } {
  const inner = memoryStore()
  const waiting: (() => void)[] = []
  let isOpen = false
  const store: ObjectStore = {
    ...inner,
    async putIfAbsent(key, body) {
      if (!isOpen) await new Promise<void>((resolve) => waiting.push(resolve))
      return inner.putIfAbsent(key, body)
    },
  }
  const open = (): void => {
    isOpen = true
    for (const resolve of waiting) resolve()
  }
  return { store, open }
}

const IDEMPOTENT = { producerId: 9, producerEpoch: 0 }

describe('append', () => {
  test('offsets are dense, written into the batches, and told once these are durable', async () => {
    const world = new PartitionWorld()
    const partition = world.opening()
    const told = [3, 1, 4].map((count) => world.append(partition, { value: 'x', count }))
    expect(told.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'pending'])
    expect([partition.highWatermark, partition.nextOffset]).toEqual([0, 8])
    await world.settle()
    expect(told.map(({ outcome }) => outcome)).toEqual([0, 3, 4])
    expect([partition.highWatermark, partition.nextOffset]).toEqual([8, 8])
    const [open, run] = await entriesOf(world)
    expect(open).toMatchObject({ type: 'open', seq: 0 })
    if (run?.type !== 'data') throw new Error('data follows the open entry')
    const object = (await world.store.get(walKey(1, run.seq))) as Buffer
    let position = run.position
    for (const batch of run.batches) {
      const bytes = object.subarray(position, position + batch.sizeBytes)
      expect([baseOffset(bytes), partitionLeaderEpoch(bytes)]).toEqual([batch.baseOffset, 0])
      expect(crc(bytes)).toBe(computeCrc(bytes))
      position += batch.sizeBytes
    }
    expect(world.pool.bytesInUse).toBe(0)
  })

  test('nothing is visible or acknowledged before it is durable', async () => {
    const { store, open } = gatedStore()
    const world = new PartitionWorld({ store })
    const partition = world.opening()
    const told = world.append(partition, { value: 'x' })
    await world.clock.advanceBy(500)
    expect([told.outcome, partition.highWatermark, partition.openDurable]).toEqual([
      'pending',
      0,
      false,
    ])
    expect(world.pool.bytesInUse).toBeGreaterThan(0)
    open()
    await world.settle()
    expect([told.outcome, partition.highWatermark, world.openedEpochs]).toEqual([0, 1, [0]])
    expect(world.pool.bytesInUse).toBe(0)
  })

  test('a partition that is not open appends nothing', async () => {
    const world = new PartitionWorld()
    const opening = world.partition()
    expect(world.append(opening, { value: 'x' }).outcome).toBe('not-leader')
    const closing = world.opening()
    closing.beginClose()
    expect(world.append(closing, { value: 'x' }).outcome).toBe('not-leader')
    await world.settle()
    expect(world.append(closing, { value: 'x' }).outcome).toBe('not-leader')
    const frozen = world.opening()
    frozen.freeze()
    expect(world.append(frozen, { value: 'x' }).outcome).toBe('not-leader')
    expect(world.pool.bytesInUse).toBe(0)
  })

  test('a duplicate of a pending batch is answered with its offset when that is durable, not before', async () => {
    const { store, open } = gatedStore()
    const world = new PartitionWorld({ store })
    const partition = world.opening()
    const first = { value: 'a', ...IDEMPOTENT, baseSequence: 0 }
    const told = [
      world.append(partition, first),
      world.append(partition, { value: 'b', ...IDEMPOTENT, baseSequence: 1 }),
      world.append(partition, first),
      world.append(partition, first),
    ]
    await world.clock.advanceBy(500)
    expect(told.map(({ outcome }) => outcome)).toEqual(Array(4).fill('pending'))
    open()
    await world.settle()
    expect(told.map(({ outcome }) => outcome)).toEqual([0, 1, 0, 0])
    expect(partition.highWatermark).toBe(2)
    expect(world.append(partition, first).outcome).toBe(0)
    expect(world.pool.bytesInUse).toBe(0)
  })

  test('gaps and old epochs of a producer are refused at once, and leave no trace', async () => {
    const world = new PartitionWorld()
    const partition = world.opening()
    world.append(partition, { value: 'a', producerId: 9, producerEpoch: 3, baseSequence: 0 })
    expect(
      world.append(partition, { value: 'b', producerId: 9, producerEpoch: 3, baseSequence: 2 })
        .outcome,
    ).toBe('out-of-order-sequence')
    expect(
      world.append(partition, { value: 'c', producerId: 9, producerEpoch: 2, baseSequence: 1 })
        .outcome,
    ).toBe('stale-producer-epoch')
    const next = world.append(partition, {
      value: 'd',
      producerId: 9,
      producerEpoch: 3,
      baseSequence: 1,
    })
    await world.settle()
    expect([next.outcome, partition.highWatermark]).toEqual([1, 2])
    expect(world.pool.bytesInUse).toBe(0)
  })
})

describe('an epoch in the WAL', () => {
  test('begins with its open entry, ends with its close, and nothing follows', async () => {
    const world = new PartitionWorld()
    const partition = world.opening(emptyHotState(), 0)
    world.append(partition, { value: 'a' })
    await world.settle()
    world.append(partition, { value: 'b' })
    partition.beginClose()
    partition.beginClose()
    await world.settle()
    const entries = await entriesOf(world)
    expect(entries.map(({ type }) => type)).toEqual(['open', 'data', 'data', 'close'])
    expect(partition.phase).toBe('closed')
    expect(world.closedStates).toHaveLength(1)
  })

  test('a partition that closes before it wrote anything has an open and a close all the same', async () => {
    const world = new PartitionWorld()
    world.opening().beginClose()
    await world.settle()
    expect((await entriesOf(world)).map(({ type }) => type)).toEqual(['open', 'close'])
    expect(world.openedEpochs).toEqual([0])
  })

  test('what was pending at the close is acknowledged by the old owner, and the state covers it', async () => {
    const { store, open } = gatedStore()
    const world = new PartitionWorld({ store, wal: { putsInFlightMax: 2 } })
    const partition = world.opening()
    const told: Told[] = []
    for (let sequence = 0; sequence < 8; sequence++) {
      told.push(
        world.append(partition, { value: 'x'.repeat(700), ...IDEMPOTENT, baseSequence: sequence }),
      )
      await world.clock.advanceBy(5)
    }
    partition.beginClose()
    expect(world.append(partition, { value: 'y' }).outcome).toBe('not-leader')
    open()
    await world.settle()
    expect(told.map(({ outcome }) => outcome)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const state = decodeHotState(world.closedStates[0]?.state as Buffer)
    expect([state.endOffset, state.runs.at(state.runs.length - 1).endOffset]).toEqual([8, 8])
    expect(state.producers.check(9, 0, 8, 1).verdict).toBe('next')
    expect(state.producers.check(9, 0, 7, 1).verdict).toBe('duplicate')
    expect(world.pool.bytesInUse).toBe(0)
  })

  test('the next owner goes on where the old one ended: offsets, epochs and producers', async () => {
    const first = new PartitionWorld({ nodeId: 1 })
    const { clock, store } = first
    const old = first.opening(emptyHotState(), 0)
    first.append(old, { value: 'a', count: 5, ...IDEMPOTENT, baseSequence: 0 })
    old.beginClose()
    await first.settle()
    const second = new PartitionWorld({ nodeId: 2, clock, store })
    const state = decodeHotState(first.closedStates[0]?.state as Buffer)
    const next = second.opening(state, 1)
    const duplicate = second.append(next, {
      value: 'a',
      count: 5,
      ...IDEMPOTENT,
      baseSequence: 0,
    })
    expect(duplicate.outcome).toBe(0)
    const told = second.append(next, { value: 'b', count: 2, ...IDEMPOTENT, baseSequence: 5 })
    await second.settle()
    expect(told.outcome).toBe(5)
    expect(next.state?.epochs).toEqual([
      { leaderEpoch: 0, startOffset: 0 },
      { leaderEpoch: 1, startOffset: 5 },
    ])
    expect([...(next.state?.runs.nodeIds() ?? [])]).toEqual([1, 2])
  })

  test('an epoch that wrote nothing does not count among those that did', async () => {
    const world = new PartitionWorld()
    const quiet = world.opening(emptyHotState(), 3)
    quiet.beginClose()
    await world.settle()
    expect(decodeHotState(world.closedStates[0]?.state as Buffer).epochs).toEqual([])
  })
})

describe('the end of a partition', () => {
  test('abandoned, it tells everybody once and gives all memory back, now or when its PUTs end', async () => {
    const { store, open } = gatedStore()
    const world = new PartitionWorld({ store, wal: { putsInFlightMax: 1 } })
    const partition = world.opening()
    const batch = { value: 'a', ...IDEMPOTENT, baseSequence: 0 }
    const told = [world.append(partition, batch), world.append(partition, batch)]
    await world.clock.advanceBy(5)
    told.push(world.append(partition, { value: 'b', ...IDEMPOTENT, baseSequence: 1 }))
    let woken = 0
    partition.watch(() => woken++)
    partition.abandon()
    expect(told.map(({ outcome }) => outcome)).toEqual(Array(3).fill('not-leader'))
    expect(woken).toBe(1)
    open()
    await world.settle()
    expect(told.map(({ results }) => results.length)).toEqual([1, 1, 1])
    expect(world.pool.bytesInUse).toBe(0)
    expect(world.wal.backlogBytes).toBe(0)
    expect(world.openedEpochs).toEqual([])
  })

  test('abandoned between its open entry and its first data, it gives each frame back once', async () => {
    const { store, open } = gatedStore()
    const world = new PartitionWorld({ store })
    const partition = world.opening()
    await world.clock.advanceBy(5)
    // The open entry is under way, without data.
    const told = world.append(partition, { value: 'a' })
    partition.abandon()
    open()
    await world.settle()
    expect([told.outcome, world.pool.bytesInUse]).toEqual(['not-leader', 0])
  })

  test('abandoned while opening, it wakes those who wait for it', () => {
    const world = new PartitionWorld()
    const partition = world.partition()
    let woken = 0
    partition.whenOpen(() => woken++)
    partition.abandon()
    partition.whenOpen(() => woken++)
    expect(woken).toBe(2)
  })

  test('frozen, it accepts nothing, but what it accepted is still acknowledged', async () => {
    const world = new PartitionWorld()
    const partition = world.opening()
    const told = world.append(partition, { value: 'a' })
    partition.freeze()
    expect(world.append(partition, { value: 'b' }).outcome).toBe('not-leader')
    await world.settle()
    expect(told.outcome).toBe(0)
    expect((await entriesOf(world)).map(({ type }) => type)).toEqual(['open', 'data'])
  })
})

describe('waiting', () => {
  test('for the opening: told once it is open; who gives up is forgotten', () => {
    const world = new PartitionWorld()
    const partition = world.partition()
    const woken: string[] = []
    partition.whenOpen(() => woken.push('a'))
    const giveUp = partition.whenOpen(() => woken.push('b'))
    giveUp()
    expect(partition.openWaiterCount).toBe(1)
    partition.open(emptyHotState())
    expect([woken, partition.openWaiterCount]).toEqual([['a'], 0])
    partition.whenOpen(() => woken.push('c'))
    giveUp()
    expect(woken).toEqual(['a', 'c'])
  })

  test('watchers hear of every durable run and of the close, until they go', async () => {
    const world = new PartitionWorld()
    const partition = world.opening()
    const seen: number[] = []
    const watcher = (): void => {
      seen.push(partition.highWatermark)
    }
    partition.watch(watcher)
    world.append(partition, { value: 'a' })
    await world.settle()
    world.append(partition, { value: 'b' })
    await world.settle()
    expect(seen).toEqual([1, 2])
    partition.beginClose()
    // At once: what they wait for will be somewhere else.
    expect(seen).toEqual([1, 2, 2])
    await world.settle()
    expect(seen.length).toBeGreaterThanOrEqual(3)
    partition.unwatch(watcher)
    const count = seen.length
    partition.abandon()
    expect(seen.length).toBe(count)
  })

  test('a watcher that goes while others are woken spoils nothing', async () => {
    const world = new PartitionWorld()
    const partition = world.opening()
    let woken = 0
    const watchers = Array.from({ length: 3 }, () => {
      const watcher = (): void => {
        woken++
        for (const each of watchers) partition.unwatch(each)
      }
      return watcher
    })
    for (const watcher of watchers) partition.watch(watcher)
    world.append(partition, { value: 'a' })
    await world.settle()
    expect(woken).toBeGreaterThanOrEqual(1)
    world.append(partition, { value: 'b' })
    await world.settle()
    expect(woken).toBeLessThanOrEqual(3)
  })
})

test('whatever happens in whatever order, every append is told once, offsets are dense, memory comes back', async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = seededRandom(seed)
    const inner = memoryStore()
    const made: { world?: PartitionWorld } = {}
    const store: ObjectStore = {
      ...inner,
      async putIfAbsent(key, body) {
        await new Promise<void>((resolve) => {
          made.world?.clock.after(random.below(30), resolve)
        })
        return inner.putIfAbsent(key, body)
      },
    }
    const world = new PartitionWorld({
      store,
      tailCacheBytes: random.below(3) * 3_000,
      wal: { objectBytesTarget: 1 + random.below(3_000), putsInFlightMax: 1 + random.below(4) },
    })
    made.world = world
    let isRead = false
    const partition = world.partition()
    partition.keepsTail = () => isRead
    partition.open(emptyHotState())
    const all: Told[] = []
    for (let sequence = 0; sequence < 60; ) {
      const count = 1 + random.below(3)
      const produced = { value: `${sequence}`, count, ...IDEMPOTENT, baseSequence: sequence }
      all.push(world.append(partition, produced))
      if (random.below(4) === 0) all.push(world.append(partition, produced))
      sequence += count
      if (random.below(2) === 0) await world.clock.advanceBy(random.below(20))
      if (random.below(6) === 0) isRead = !isRead
    }
    const abandons = random.below(2) === 0
    if (abandons) partition.abandon()
    else partition.beginClose()
    await world.settle()
    const outcomes = all.map(({ outcome }) => outcome)
    expect(outcomes).not.toContain('pending')
    if (!abandons) {
      const distinct = [...new Set(outcomes)]
      expect(distinct).toEqual([...distinct].sort((a, b) => Number(a) - Number(b)))
      expect(partition.highWatermark).toBe(partition.nextOffset)
    }
    expect({ seed, bytes: world.pool.bytesInUse }).toEqual({ seed, bytes: 0 })
    expect(world.tailCache.bytes).toBe(0)
  }
})
