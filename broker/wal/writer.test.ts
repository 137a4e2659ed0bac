import { describe, expect, test } from '@jest/globals'
import { type Random, seededRandom } from '../../base/random.ts'
import {
  drainMicrotasks,
  type VirtualClock,
  virtualClock,
} from '../../base/testing/virtual-clock.ts'
import { seqOfKey, walKey } from '../../metadata/keys.ts'
import { decodeHeader, encodeHeader, objectKind } from '../../object-store/header.ts'
import { memoryStore } from '../../object-store/memory.ts'
import { type ObjectStore, StoreError } from '../../object-store/store.ts'
import type { LogObjectBuilder } from './log-object.ts'
import { type WalSettings, type WalSource, WalWriter } from './writer.ts'

const NODE = 7
const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAg'
const SETTINGS: WalSettings = {
  lingerMsMin: 0,
  lingerMsMax: 100,
  objectBytesTarget: 1_000,
  putsInFlightMax: 3,
}

/** A store whose creates end when a test says so, or after random times. */
interface SlowStore extends ObjectStore {
  /** The seqs whose PUT is under way, in the order they began. */
  readonly underWay: () => number[]
  readonly finish: (seq: number) => Promise<void>
}

function slowStore(inner: ObjectStore): SlowStore {
  const waiting = new Map<string, () => void>()
  return {
    ...inner,
    underWay: () => [...waiting.keys()].map(seqOfKey),
    async putIfAbsent(key, body) {
      await new Promise<void>((resolve) => waiting.set(key, resolve))
      return inner.putIfAbsent(key, body)
    },
    async finish(seq) {
      const resolve = waiting.get(walKey(NODE, seq))
      expect(resolve).toBeDefined()
      waiting.delete(walKey(NODE, seq))
      resolve?.()
      await drainMicrotasks()
    },
  }
}

/** Puts its waiting numbers into objects and remembers what became durable. */
class NumberSource implements WalSource {
  waiting: number[] = []
  readonly durable: number[] = []
  readonly seqs: number[] = []
  private readonly wal: () => WalWriter

  constructor(wal: () => WalWriter) {
    this.wal = wal
  }

  add(value: number, bytes: number): void {
    this.waiting.push(value)
    this.wal().enqueue(this, bytes)
  }

  cut(builder: LogObjectBuilder, seq: number) {
    const taken = this.waiting
    this.waiting = []
    builder.addState('open', { topicId: TOPIC, partition: 0, leaderEpoch: 0 }, Buffer.from(taken))
    return {
      durable: () => {
        this.seqs.push(seq)
        this.durable.push(...taken)
      },
    }
  }
}

interface World {
  readonly clock: VirtualClock
  readonly wal: WalWriter
  readonly source: NumberSource
  readonly objects: { seq: number; bytes: number; backlogBytes: number; durableEnd: number }[]
  readonly fencedAt: number[]
  readonly faults: unknown[]
}

function world(
  store: ObjectStore,
  settings: Partial<WalSettings> = {},
  random: Random = seededRandom(1),
): World {
  const clock = virtualClock()
  const objects: World['objects'] = []
  const fencedAt: number[] = []
  const faults: unknown[] = []
  const wal: WalWriter = new WalWriter({
    nodeId: NODE,
    store,
    clock,
    random,
    settings: { ...SETTINGS, ...settings },
    observer: {
      objectDurable: (seq, { bytes }) => {
        const { backlogBytes, durableEnd } = wal
        objects.push({ seq, bytes, backlogBytes, durableEnd })
      },
    },
    onFenced: (seq) => fencedAt.push(seq),
    onFault: (error) => faults.push(error),
  })
  return { clock, wal, source: new NumberSource(() => wal), objects, fencedAt, faults }
}

describe('linger', () => {
  test('an idle node writes at once', async () => {
    const { clock, source } = world(memoryStore())
    source.add(1, 10)
    await clock.advanceBy(2)
    expect(source.durable).toEqual([1])
  })

  test('while a PUT is under way, what arrives waits for its end, but not longer than it may', async () => {
    const store = slowStore(memoryStore())
    const { clock, source } = world(store)
    source.add(1, 10)
    await clock.advanceBy(2)
    source.add(2, 10)
    source.add(3, 10)
    await clock.advanceBy(50)
    expect(store.underWay()).toEqual([0])
    await store.finish(0)
    await clock.advanceBy(1)
    expect(store.underWay()).toEqual([1])
    source.add(4, 10)
    await clock.advanceBy(SETTINGS.lingerMsMax + 2)
    expect(store.underWay()).toEqual([1, 2])
    expect(source.durable).toEqual([1])
    await store.finish(2)
    await store.finish(1)
    expect(source.durable).toEqual([1, 2, 3, 4])
    expect(source.seqs).toEqual([0, 1, 2])
  })

  test('a producer that waits for its answer is not made to wait for the linger', async () => {
    const { clock, source } = world(memoryStore())
    // Fast at first, which looks like more to come.
    for (let value = 0; value < 5; value++) source.add(value, 150)
    await clock.advanceBy(20)
    expect(source.durable).toEqual([0, 1, 2, 3, 4])
  })

  test('a full object goes without waiting', async () => {
    const store = slowStore(memoryStore())
    const { clock, source } = world(store)
    for (let value = 0; value < 3; value++) source.add(value, SETTINGS.objectBytesTarget)
    await clock.advanceBy(0)
    expect(store.underWay()).toEqual([0, 1, 2])
  })

  test('with a least linger nothing goes before it, whatever ends meanwhile, and all goes then', async () => {
    const store = slowStore(memoryStore())
    const { clock, wal, source } = world(store, { lingerMsMin: 40 })
    source.add(1, 10)
    await clock.advanceBy(39)
    expect(store.underWay()).toEqual([])
    source.add(2, 10)
    await clock.advanceBy(2)
    expect(store.underWay()).toEqual([0])
    source.add(3, 10)
    await clock.advanceBy(10)
    // Its end would do, without.
    await store.finish(0)
    expect(source.durable).toEqual([1, 2])
    await clock.advanceBy(28)
    expect(store.underWay()).toEqual([])
    await clock.advanceBy(4)
    expect(store.underWay()).toEqual([1])
    await store.finish(1)
    expect(source.durable).toEqual([1, 2, 3])
    expect(wal.backlogBytes).toBe(0)
  })

  test('with a least linger a full object goes all the same, and so does what is asked for', async () => {
    const store = slowStore(memoryStore())
    const { wal, source } = world(store, { lingerMsMin: 40 })
    source.add(1, 1_000)
    expect(store.underWay()).toEqual([0])
    source.add(2, 10)
    wal.flushSoon()
    expect(store.underWay()).toEqual([0, 1])
  })

  test('no more PUTs are under way than may, and the next goes as soon as one ends', async () => {
    const store = slowStore(memoryStore())
    const { clock, wal, source } = world(store)
    for (let value = 0; value < 10; value++) source.add(value, SETTINGS.objectBytesTarget)
    await clock.advanceBy(500)
    expect(store.underWay()).toEqual([0, 1, 2])
    wal.flushSoon()
    expect(store.underWay()).toEqual([0, 1, 2])
    // Not the oldest: nothing is acknowledged, so nothing makes room.
    await store.finish(1)
    expect(store.underWay()).toEqual([0, 2])
    await store.finish(0)
    await clock.advanceBy(1)
    expect(store.underWay()).toEqual([2, 3])
    await store.finish(2)
    await store.finish(3)
    expect(source.durable).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})

describe('acknowledging', () => {
  test('is in key order, whatever order PUTs end in', async () => {
    const store = slowStore(memoryStore())
    const { clock, wal, source } = world(store)
    for (let value = 0; value < 3; value++) source.add(value, SETTINGS.objectBytesTarget)
    await clock.advanceBy(1)
    await store.finish(2)
    await store.finish(1)
    expect([source.durable, wal.durableEnd]).toEqual([[], 0])
    await store.finish(0)
    expect([source.seqs, wal.durableEnd]).toEqual([[0, 1, 2], 3])
    expect(wal.backlogBytes).toBe(0)
  })

  test('whoever is told of a durable object sees what it made room for: else a full node that waits for room waits for ever', async () => {
    const store = slowStore(memoryStore())
    const { clock, source, objects } = world(store)
    source.add(1, SETTINGS.objectBytesTarget)
    source.add(2, SETTINGS.objectBytesTarget)
    await clock.advanceBy(1)
    await store.finish(1)
    await store.finish(0)
    const last = objects[objects.length - 1]
    expect(last).toMatchObject({ backlogBytes: 0, durableEnd: 2 })
  })

  test('everything is durable once, in order, whatever the sizes, pauses and faults', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed)
      const inner = memoryStore()
      const clocked: { clock?: VirtualClock } = {}
      const store: ObjectStore = {
        ...inner,
        async putIfAbsent(key, body) {
          const pause = (): Promise<void> =>
            new Promise((resolve) => clocked.clock?.after(random.below(60), resolve))
          await pause()
          const fate = random.below(10)
          if (fate === 0) throw new StoreError('unavailable', key, 'injected')
          const result = await inner.putIfAbsent(key, body)
          await pause()
          if (fate === 1) throw new StoreError('unknown', key, 'injected')
          return result
        },
      }
      const settings = {
        lingerMsMax: random.below(3) * 20,
        objectBytesTarget: 1 + random.below(500),
        putsInFlightMax: 1 + random.below(4),
      }
      const { clock, wal, source, faults } = world(store, settings, random)
      clocked.clock = clock
      const other = new NumberSource(() => wal)
      const count = 100
      for (let value = 0; value < count; value++) {
        if (random.below(5) === 0) other.add(value, 1 + random.below(100))
        source.add(value, 1 + random.below(300))
        if (random.below(3) === 0) await clock.advanceBy(random.below(50))
        if (random.below(20) === 0) wal.flushSoon()
      }
      expect({ seed, idle: await clock.runUntilIdle(clock.nowMs() + 60_000) }).toEqual({
        seed,
        idle: true,
      })
      expect(source.durable).toEqual(Array.from({ length: count }, (_, value) => value))
      expect(other.durable).toEqual([...other.durable].sort((a, b) => a - b))
      expect(other.waiting).toEqual([])
      expect([wal.backlogBytes, wal.durableEnd, faults]).toEqual([0, wal.nextSeq, []])
    }
  })

  test('settings that would write without end are refused: an object of nothing is always full', () => {
    for (const bad of [{ objectBytesTarget: 0 }, { putsInFlightMax: 0 }, { lingerMsMax: -1 }]) {
      expect(() => world(memoryStore(), bad)).toThrow()
    }
  })
})

describe('whenIdle', () => {
  test('resolves once all is durable, without lingering, also from behind full PUTs', async () => {
    const store = slowStore(memoryStore())
    const { clock, wal, source } = world(store, { putsInFlightMax: 1, lingerMsMax: 10_000 })
    source.add(1, 10)
    await clock.advanceBy(20)
    source.add(2, 10)
    let idle = false
    void wal.whenIdle().then(() => {
      idle = true
    })
    await store.finish(0)
    expect([store.underWay(), idle]).toEqual([[1], false])
    source.add(3, 10)
    await store.finish(1)
    expect([store.underWay(), idle]).toEqual([[2], false])
    await store.finish(2)
    expect([source.durable, idle]).toEqual([[1, 2, 3], true])
  })

  test('resolves when what becomes durable brings more', async () => {
    const { clock, wal, source } = world(memoryStore())
    const follower = new NumberSource(() => wal)
    const leader: WalSource = { cut: () => ({ durable: () => follower.add(9, 10) }) }
    wal.enqueue(leader, 10)
    await clock.run(wal.whenIdle())
    expect(follower.durable).toEqual([9])
    await clock.run(wal.whenIdle())
    expect(source.durable).toEqual([])
  })

  test('resolves when the writer is stopped, also afterwards', async () => {
    const store = slowStore(memoryStore())
    const { clock, wal, source } = world(store)
    source.add(1, 10)
    await clock.advanceBy(2)
    const idle = wal.whenIdle()
    wal.stop()
    await clock.run(idle)
    await clock.run(wal.whenIdle())
    expect(source.durable).toEqual([])
  })
})

describe('the end of a WAL', () => {
  async function fence(store: ObjectStore, seq: number): Promise<void> {
    const identity = { nodeId: 99, seq, nonce: Buffer.alloc(16, 9) }
    await store.putIfAbsent(walKey(NODE, seq), [encodeHeader(objectKind.walFence, identity)])
  }

  test('nothing at or above a fence is acknowledged, and nothing is written any more', async () => {
    const inner = memoryStore()
    const store = slowStore(inner)
    const { clock, source, fencedAt, faults } = world(store)
    for (let value = 0; value < 3; value++) source.add(value, SETTINGS.objectBytesTarget)
    await clock.advanceBy(1)
    await fence(inner, 1)
    await store.finish(2)
    await store.finish(0)
    await store.finish(1)
    expect([source.durable, fencedAt, faults]).toEqual([[0], [1], []])
    source.add(3, SETTINGS.objectBytesTarget)
    await clock.runUntilIdle()
    expect(store.underWay()).toEqual([])
    expect(source.durable).toEqual([0])
    expect(fencedAt).toEqual([1])
  })

  test('a PUT whose answer was lost is no fence: the object is its own', async () => {
    const inner = memoryStore()
    let lost = 3
    const store: ObjectStore = {
      ...inner,
      async putIfAbsent(key, body) {
        const result = await inner.putIfAbsent(key, body)
        if (lost-- > 0) throw new StoreError('unknown', key, 'lost')
        return result
      },
    }
    const { clock, source, fencedAt } = world(store)
    source.add(1, 10)
    await clock.runUntilIdle()
    expect([source.durable, fencedAt]).toEqual([[1], []])
  })

  test('a store that refuses for good ends the writer by a fault, with nothing acknowledged', async () => {
    const store: ObjectStore = {
      ...memoryStore(),
      async putIfAbsent(key) {
        throw new StoreError('denied', key, 'no rights')
      },
    }
    const { clock, source, faults } = world(store)
    source.add(1, 10)
    await clock.runUntilIdle()
    expect(faults).toMatchObject([{ kind: 'denied' }])
    expect(source.durable).toEqual([])
  })

  test('sealing writes a fence behind everything', async () => {
    const store = memoryStore()
    const { clock, wal, source } = world(store)
    source.add(1, 10)
    await clock.run(wal.whenIdle())
    expect(await clock.run(wal.seal())).toBe(1)
    const key = walKey(NODE, 1)
    expect(decodeHeader(key, (await store.get(key)) as Buffer).kind).toBe(objectKind.walFence)
    source.add(2, 10)
    await clock.runUntilIdle()
    expect(await store.list({ prefix: 'wal/' })).toHaveLength(2)
  })

  test("sealing where a taker's fence is already ends at the same place", async () => {
    const store = memoryStore()
    const { clock, wal } = world(store)
    await fence(store, 0)
    expect(await clock.run(wal.seal())).toBe(0)
  })

  test('a WAL that is not idle is not sealed: what is under way could land behind the fence', async () => {
    const store = slowStore(memoryStore())
    const { clock, wal, source } = world(store)
    source.add(1, 10)
    await expect(wal.seal()).rejects.toThrow('idle')
    await clock.advanceBy(2)
    await expect(wal.seal()).rejects.toThrow('idle')
  })
})
