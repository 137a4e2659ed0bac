import { describe, expect, test } from '@jest/globals'
import { drainMicrotasks } from '../../base/testing/virtual-clock.ts'
import { emptyImage, type Image } from '../../metadata/image.ts'
import { emptyHotState } from '../partition/hot-state.ts'
import type { Partition } from '../partition/partition.ts'
import { PartitionWorld, TOPIC } from '../partition/testing/partition-world.ts'
import type { Broker } from './context.ts'
import { leadershipOf, whenSettled } from './leadership.ts'

const SELF = 1
const OTHER = 2
const ADDRESSES = [{ topicId: TOPIC, index: 0 }]

/** A broker with one partition; its metadata log says what a test wants when it is read. */
class Setup {
  readonly world = new PartitionWorld({ nodeId: SELF })
  readonly image: Image = emptyImage()
  readonly broker: Broker
  local: Partition | undefined
  headConfirmedAtMs = 0
  isFresh = true
  catchUps = 0
  /** What reading the log brings; null: it never ends. */
  onCatchUp: (() => void) | null = () => {}

  constructor() {
    const { clock } = this.world
    const setup = this
    this.broker = {
      clock,
      node: {
        nodeId: SELF,
        image: this.image,
        clock,
        log: {
          get headConfirmedAtMs() {
            return setup.headConfirmedAtMs
          },
          catchUp: () => this.catchUp(),
        },
        get isFresh() {
          return setup.isFresh
        },
        partitions: { get: () => this.local },
      },
    } as unknown as Broker
  }

  private catchUp(): Promise<void> {
    this.catchUps++
    if (this.onCatchUp === null) return new Promise(() => {})
    return Promise.resolve().then(this.onCatchUp)
  }

  owns(nodeId: number, leaderEpoch: number): void {
    const ownership = { nodeId, leaderEpoch, from: [], refs: [] }
    this.image.topics.set(TOPIC, {
      topicId: TOPIC,
      name: 't',
      configs: {},
      partitions: [ownership],
    })
  }

  /** Waits as a handler does; how often it was called back, and when. */
  wait(addresses = ADDRESSES, sinceMs?: number): number[] {
    const calledAtMs: number[] = []
    const called = (): void => {
      calledAtMs.push(this.world.clock.nowMs())
    }
    whenSettled(this.broker, addresses, called, sinceMs)
    return calledAtMs
  }
}

describe('leadershipOf', () => {
  test('what nobody knows is unknown', () => {
    const setup = new Setup()
    expect(leadershipOf(setup.broker, TOPIC, 0).kind).toBe('unknown')
    setup.owns(SELF, 0)
    expect(leadershipOf(setup.broker, TOPIC, 1).kind).toBe('unknown')
  })

  test('an open partition of the epoch in the map is here, one that opens is opening', () => {
    const setup = new Setup()
    setup.owns(SELF, 4)
    setup.local = setup.world.partition(4)
    expect(leadershipOf(setup.broker, TOPIC, 0)).toEqual({
      kind: 'opening',
      partition: setup.local,
    })
    setup.local.open(emptyHotState())
    expect(leadershipOf(setup.broker, TOPIC, 0)).toEqual({ kind: 'here', partition: setup.local })
    setup.local.beginClose()
    expect(leadershipOf(setup.broker, TOPIC, 0).kind).toBe('elsewhere')
  })

  test('a partition of another epoch than the map says is not served', () => {
    const setup = new Setup()
    setup.owns(SELF, 5)
    setup.local = setup.world.opening(emptyHotState(), 4)
    expect(leadershipOf(setup.broker, TOPIC, 0).kind).toBe('ask-again')
  })

  test('a node that cannot follow the log serves nothing: it may have been taken over', () => {
    const setup = new Setup()
    setup.owns(SELF, 0)
    setup.local = setup.world.opening()
    setup.isFresh = false
    expect(leadershipOf(setup.broker, TOPIC, 0).kind).toBe('ask-again')
  })

  test('only a recent image is believed about another owner', async () => {
    const setup = new Setup()
    setup.owns(OTHER, 7)
    expect(leadershipOf(setup.broker, TOPIC, 0)).toEqual({
      kind: 'elsewhere',
      nodeId: OTHER,
      leaderEpoch: 7,
    })
    await setup.world.clock.advanceBy(1_000)
    expect(leadershipOf(setup.broker, TOPIC, 0).kind).toBe('ask-again')
  })
})

describe('whenSettled', () => {
  test('calls back in the same step when there is nothing to wait for', () => {
    const setup = new Setup()
    setup.owns(SELF, 0)
    setup.local = setup.world.opening()
    expect(setup.wait()).toHaveLength(1)
    expect(setup.wait([])).toHaveLength(1)
    expect(setup.catchUps).toBe(0)
  })

  test('waits for the opening, calls back once, and leaves nothing behind', async () => {
    const setup = new Setup()
    setup.owns(SELF, 1)
    const partition = setup.world.partition(1)
    setup.local = partition
    // Asked for twice, as in a request that names a partition twice.
    const called = setup.wait([...ADDRESSES, ...ADDRESSES])
    await setup.world.clock.advanceBy(100)
    expect(called).toEqual([])
    partition.open(emptyHotState())
    expect(called).toEqual([])
    await drainMicrotasks()
    expect(called).toEqual([100])
    await setup.world.clock.runUntilIdle()
    expect([called, partition.openWaiterCount]).toEqual([[100], 0])
  })

  test('an opening that comes to nothing ends the wait as well', async () => {
    const setup = new Setup()
    setup.owns(SELF, 1)
    setup.local = setup.world.partition(1)
    const called = setup.wait()
    setup.local.abandon()
    await drainMicrotasks()
    expect(called).toEqual([0])
  })

  test('a partition that never opens is not waited for for ever, and gathers no waiters', async () => {
    const setup = new Setup()
    setup.owns(SELF, 1)
    setup.local = setup.world.partition(1)
    const called = Array.from({ length: 100 }, () => setup.wait())
    expect(setup.local.openWaiterCount).toBe(100)
    await setup.world.clock.advanceBy(5_000)
    expect(called.flat()).toEqual(Array(100).fill(5_000))
    expect(setup.local.openWaiterCount).toBe(0)
    setup.local.open(emptyHotState())
    await drainMicrotasks()
    expect(called.flat()).toHaveLength(100)
  })

  test('waits of requests behind each other do not add up', async () => {
    const setup = new Setup()
    setup.owns(SELF, 1)
    setup.local = setup.world.partition(1)
    await setup.world.clock.advanceBy(10_000)
    const late = setup.wait(ADDRESSES, 7_000)
    const tooLate = setup.wait(ADDRESSES, 1_000)
    await setup.world.clock.advanceBy(5_000)
    expect([tooLate, late]).toEqual([[10_000], [12_000]])
  })

  test('a stale image is brought up to date first, and what then opens is waited for', async () => {
    const setup = new Setup()
    const { clock } = setup.world
    setup.owns(OTHER, 0)
    await clock.advanceBy(1_000)
    const partition = setup.world.partition(1)
    setup.onCatchUp = () => {
      setup.headConfirmedAtMs = clock.nowMs()
      setup.owns(SELF, 1)
      setup.local = partition
    }
    const called = setup.wait()
    await drainMicrotasks()
    expect([setup.catchUps, called]).toEqual([1, []])
    partition.open(emptyHotState())
    await drainMicrotasks()
    expect(called).toEqual([1_000])
  })

  test('a log that cannot be read, or never answers, holds nobody longer than it may', async () => {
    for (const onCatchUp of [null, () => Promise.reject(new Error('no store'))]) {
      const setup = new Setup()
      setup.owns(OTHER, 0)
      await setup.world.clock.advanceBy(1_000)
      setup.onCatchUp = onCatchUp as (() => void) | null
      const called = setup.wait()
      await setup.world.clock.runUntilIdle()
      expect(called).toEqual([onCatchUp === null ? 6_000 : 1_000])
    }
  })
})
