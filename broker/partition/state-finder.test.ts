import { describe, expect, test } from '@jest/globals'
import { type Logger, silentLogger } from '../../base/log.ts'
import { Signal } from '../../base/signal.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { emptyImage, type NodeEntry } from '../../metadata/image.ts'
import { walKey } from '../../metadata/keys.ts'
import type { PastOwner } from '../../metadata/records.ts'
import { memoryStore } from '../../object-store/memory.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { LogObjectBuilder } from '../wal/log-object.ts'
import { Hints } from './handoff.ts'
import { emptyHotState, encodeHotState, type HotState } from './hot-state.ts'
import { StateFinder } from './state-finder.ts'
import { TOPIC } from './testing/partition-world.ts'

const SELF = 100

function stateAt(endOffset: number): Buffer {
  return encodeHotState({ ...emptyHotState(), endOffset })
}

/** A finder of node 100 among nodes whose logs are written by hand. */
class Setup {
  readonly clock = virtualClock()
  readonly store: ObjectStore = memoryStore()
  readonly image = emptyImage()
  readonly hints = new Hints()
  readonly changed = new Signal()
  readonly errors: string[] = []
  readonly finder: StateFinder
  readonly ownClosed = new Map<number, Buffer>()
  isWanted = true
  lists = 0
  /** So many LISTs fail. */
  failures = 0
  /** LISTs are not answered. */
  isStuck = false

  constructor() {
    const logger: Logger = {
      ...silentLogger,
      error: (_message, fields) => this.errors.push(String(fields?.['error'])),
    }
    const store: ObjectStore = {
      ...this.store,
      list: async (options) => {
        this.lists++
        if (this.isStuck) await new Promise(() => {})
        if (this.failures-- > 0) throw new Error('no store')
        return this.store.list(options)
      },
    }
    this.finder = new StateFinder({
      nodeId: SELF,
      store,
      clock: this.clock,
      logger,
      image: () => this.image,
      hints: this.hints,
      changed: this.changed,
      ownClosed: (_topicId, _partition, leaderEpoch) => this.ownClosed.get(leaderEpoch) ?? null,
    })
  }

  node(nodeId: number, sealedEnd: number | null = null): void {
    const state = sealedEnd === null ? 'active' : 'sealed'
    this.image.nodes.set(nodeId, { nodeId, state, sealedEnd } as NodeEntry)
    this.changed.notify()
  }

  /** Writes the next object of a node's log: what it says of that epoch of partitions. */
  async put(
    nodeId: number,
    seq: number,
    entries: readonly { epoch: number; type: 'open' | 'close'; end: number; partition?: number }[],
  ): Promise<void> {
    const identity = { nodeId, seq, nonce: Buffer.alloc(16, 1) }
    const builder = new LogObjectBuilder(identity)
    for (const { epoch: leaderEpoch, type, end, partition = 0 } of entries) {
      builder.addState(type, { topicId: TOPIC, partition, leaderEpoch }, stateAt(end))
    }
    await this.store.putIfAbsent(walKey(nodeId, seq), builder.finish(identity))
  }

  find(from: readonly PastOwner[], leaderEpoch: number, partition = 0): Finding {
    const ownership = { nodeId: SELF, leaderEpoch, from, refs: [] }
    return new Finding(this.finder.find(TOPIC, partition, ownership, () => this.isWanted))
  }
}

/** A search, and what has come of it so far: the end offset of the state. */
class Finding {
  found: number | null | 'nothing yet' = 'nothing yet'

  constructor(finding: Promise<HotState | null>) {
    void finding.then((state) => {
      this.found = state?.endOffset ?? null
    })
  }
}

function past(nodeId: number, leaderEpoch: number): PastOwner {
  return { nodeId, leaderEpoch }
}

describe('the state of a new owner', () => {
  test('is what the newest past owner closed with', async () => {
    const setup = new Setup()
    setup.node(1)
    setup.node(2)
    await setup.put(1, 0, [{ epoch: 0, type: 'close', end: 5 }])
    await setup.put(2, 0, [{ epoch: 1, type: 'close', end: 9 }])
    const finding = setup.find([past(2, 1), past(1, 0)], 2)
    await setup.clock.advanceBy(1_900)
    // It lives, so its hint is waited for.
    expect([finding.found, setup.lists]).toEqual(['nothing yet', 0])
    await setup.clock.advanceBy(200)
    expect(finding.found).toBe(9)
  })

  test('is never that of an older owner while the newer one lives: it may still write', async () => {
    const setup = new Setup()
    setup.node(1)
    setup.node(2)
    await setup.put(1, 0, [{ epoch: 0, type: 'close', end: 5 }])
    await setup.put(2, 0, [{ epoch: 1, type: 'open', end: 5 }])
    const finding = setup.find([past(2, 1), past(1, 0)], 2)
    await setup.clock.advanceBy(60_000)
    expect(finding.found).toBe('nothing yet')
    await setup.put(2, 1, [{ epoch: 1, type: 'close', end: 12 }])
    await setup.clock.advanceBy(1_000)
    expect(finding.found).toBe(12)
  })

  test('is that of an older owner when the newer one is sealed and has nothing of its epoch', async () => {
    const setup = new Setup()
    setup.node(1)
    setup.node(2)
    await setup.put(1, 0, [{ epoch: 0, type: 'close', end: 5 }])
    const finding = setup.find([past(2, 1), past(1, 0)], 2)
    await setup.clock.advanceBy(5_000)
    expect(finding.found).toBe('nothing yet')
    setup.node(2, 0)
    await setup.clock.advanceBy(1_000)
    expect(finding.found).toBe(5)
  })

  test('does not come from another epoch of the same node, however new it looks', async () => {
    const setup = new Setup()
    // Node 1 owned it at 0 and at 2; of 2 it has nothing. Node 3 owned it between, and wrote.
    setup.node(1, 1)
    setup.node(3, 1)
    await setup.put(1, 0, [{ epoch: 0, type: 'close', end: 5 }])
    await setup.put(3, 0, [{ epoch: 1, type: 'open', end: 8 }])
    const finding = setup.find([past(1, 2), past(3, 1), past(1, 0)], 3)
    await setup.clock.advanceBy(1_000)
    expect(finding.found).toBe(8)
  })

  test('of a sealed owner without a close is all that its log says', async () => {
    const setup = new Setup()
    setup.node(1, 1)
    await setup.put(1, 0, [{ epoch: 0, type: 'open', end: 0 }])
    const finding = setup.find([past(1, 0)], 1)
    await setup.clock.advanceBy(1_000)
    expect(finding.found).toBe(0)
  })

  test('is empty only where the list reaches epoch 0; else the partition stays closed, and the log says so', async () => {
    const setup = new Setup()
    setup.node(1, 0)
    const complete = setup.find([past(1, 0)], 1)
    const broken = setup.find([past(1, 3)], 4)
    const lost = setup.find([], 4)
    await setup.clock.advanceBy(20_000)
    expect(complete.found).toBe(0)
    expect([broken.found, lost.found]).toEqual(['nothing yet', 'nothing yet'])
    expect(
      setup.errors.filter((error) => error.includes('refusing to open it empty')).length,
    ).toBeGreaterThan(2)
  })

  test('is looked for until its node is known', async () => {
    const setup = new Setup()
    const finding = setup.find([past(1, 0)], 1)
    await setup.clock.advanceBy(3_000)
    expect(finding.found).toBe('nothing yet')
    expect(setup.errors[0]).toContain('has forgotten')
    await setup.put(1, 0, [{ epoch: 0, type: 'close', end: 5 }])
    setup.node(1)
    await setup.clock.advanceBy(1_000)
    expect(finding.found).toBe(5)
  })
})

/** The log of node 1, which lives, is read by a store that does not answer. */
async function readingForLong(): Promise<{ setup: Setup; finding: Finding }> {
  const setup = new Setup()
  setup.node(1)
  setup.isStuck = true
  const finding = setup.find([past(1, 0)], 1)
  await setup.clock.advanceBy(5_000)
  return { setup, finding }
}

describe('hints and own states', () => {
  test('a hint spares the reading of its entry', async () => {
    const setup = new Setup()
    setup.node(1)
    const finding = setup.find([past(1, 0)], 1)
    await setup.clock.advanceBy(100)
    setup.hints.add(1, [{ topicId: TOPIC, partition: 0, leaderEpoch: 0, state: stateAt(7) }])
    setup.changed.notify()
    await setup.clock.advanceBy(1)
    expect([finding.found, setup.lists]).toEqual([7, 0])
  })

  test('a hint that comes while the log is read ends the search', async () => {
    const { setup, finding } = await readingForLong()
    expect([finding.found, setup.lists]).toEqual(['nothing yet', 1])
    setup.hints.add(1, [{ topicId: TOPIC, partition: 0, leaderEpoch: 0, state: stateAt(7) }])
    setup.changed.notify()
    await setup.clock.advanceBy(1)
    expect(finding.found).toBe(7)
  })

  test('an owner that is sealed while its log is read is read anew, to its end', async () => {
    const { setup, finding } = await readingForLong()
    await setup.put(1, 0, [{ epoch: 0, type: 'open', end: 4 }])
    setup.isStuck = false
    setup.node(1, 1)
    await setup.clock.advanceBy(1_000)
    expect(finding.found).toBe(4)
  })

  test('a hint of an older entry does not overtake the newer one', async () => {
    const setup = new Setup()
    setup.node(1)
    setup.node(2)
    setup.hints.add(1, [{ topicId: TOPIC, partition: 0, leaderEpoch: 0, state: stateAt(7) }])
    const finding = setup.find([past(2, 1), past(1, 0)], 2)
    await setup.clock.advanceBy(10_000)
    expect(finding.found).toBe('nothing yet')
    setup.node(2, 0)
    await setup.clock.advanceBy(1_000)
    expect(finding.found).toBe(7)
  })

  test('a hint that cannot be read costs a read, not the partition', async () => {
    const setup = new Setup()
    setup.node(1)
    await setup.put(1, 0, [{ epoch: 0, type: 'close', end: 5 }])
    const garbage = { topicId: TOPIC, partition: 0, leaderEpoch: 0, state: Buffer.from([250, 1]) }
    setup.hints.add(1, [garbage])
    const finding = setup.find([past(1, 0)], 1)
    await setup.clock.advanceBy(3_000)
    expect(finding.found).toBe(5)
  })

  test('what this node itself closed it has; what it never opened it looks for further down', async () => {
    const setup = new Setup()
    setup.node(1)
    setup.ownClosed.set(2, stateAt(30))
    await setup.put(1, 0, [{ epoch: 1, type: 'close', end: 20 }])
    const own = setup.find([past(SELF, 2), past(1, 1)], 3)
    const skipped = setup.find([past(SELF, 3), past(1, 1)], 4)
    await setup.clock.advanceBy(3_000)
    expect([own.found, skipped.found]).toEqual([30, 20])
  })
})

describe('looking', () => {
  test('ends once nobody wants the partition any more', async () => {
    const setup = new Setup()
    setup.node(1)
    const finding = setup.find([past(1, 0)], 1)
    await setup.clock.advanceBy(3_000)
    setup.isWanted = false
    await setup.clock.advanceBy(3_000)
    expect(finding.found).toBeNull()
    expect(setup.clock.pendingCount).toBe(0)
  })

  test('many partitions of one node cost one reading of its log', async () => {
    const setup = new Setup()
    setup.node(1, 1)
    const partitions = Array.from({ length: 50 }, (_, partition) => partition)
    await setup.put(
      1,
      0,
      partitions.map((partition) => ({ epoch: 0, type: 'open', end: partition, partition })),
    )
    const findings = partitions.map((partition) => setup.find([past(1, 0)], 1, partition))
    await setup.clock.advanceBy(1_000)
    expect(findings.map(({ found }) => found)).toEqual(partitions)
    // One page of checkpoints, which is empty.
    expect(setup.lists).toBe(1)
  })

  test('a store in trouble is asked again', async () => {
    const setup = new Setup()
    setup.node(1, 1)
    setup.failures = 3
    await setup.put(1, 0, [{ epoch: 0, type: 'open', end: 4 }])
    const finding = setup.find([past(1, 0)], 1)
    await setup.clock.advanceBy(10_000)
    expect([finding.found, setup.lists]).toEqual([4, 4])
  })
})
