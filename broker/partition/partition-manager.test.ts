import { describe, expect, test } from '@jest/globals'
import { walKey } from '../../metadata/keys.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { type ManagedNode, ManagedNodes } from './testing/managed-nodes.ts'
import { TOPIC } from './testing/partition-world.ts'

const IDEMPOTENT = { producerId: 9, producerEpoch: 0 }

async function twoNodes(): Promise<{ nodes: ManagedNodes; a: ManagedNode; b: ManagedNode }> {
  const nodes = new ManagedNodes()
  const a = await nodes.add()
  const b = await nodes.add()
  await nodes.change(a, () => [], [a, b])
  return { nodes, a, b }
}

/** A store whose reads of WALs are counted. */
function countingWalReads(store: ObjectStore): { store: ObjectStore; count: () => number } {
  let count = 0
  const counting: ObjectStore = {
    ...store,
    get(key, range) {
      if (key.startsWith('wal/')) count++
      return store.get(key, range)
    },
  }
  return { store: counting, count: () => count }
}

describe('a move', () => {
  test('loses no acknowledged record and no producer, and the old owner serves nothing more', async () => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    const first = a.append(TOPIC, { value: 'a', count: 3, ...IDEMPOTENT, baseSequence: 0 })
    await nodes.clock.advanceBy(30)
    const last = a.append(TOPIC, { value: 'b', count: 2, ...IDEMPOTENT, baseSequence: 3 })
    await nodes.move(a, TOPIC, 2, [a, b])
    expect(a.append(TOPIC, { value: 'c' }).outcome).toBe('not-leader')
    await nodes.clock.advanceBy(50)
    expect([first.outcome, last.outcome]).toEqual([0, 3])
    expect(a.manager.get(TOPIC, 0)).toBeUndefined()
    const partition = b.get(TOPIC)
    expect([partition.phase, partition.leaderEpoch, partition.nextOffset]).toEqual(['open', 1, 5])
    const retry = b.append(TOPIC, { value: 'b', count: 2, ...IDEMPOTENT, baseSequence: 3 })
    expect(retry.outcome).toBe(3)
    const next = b.append(TOPIC, { value: 'd', ...IDEMPOTENT, baseSequence: 5 })
    await nodes.clock.advanceBy(30)
    expect(next.outcome).toBe(5)
    expect([a.pool.bytesInUse, b.pool.bytesInUse]).toEqual([0, 0])
    expect([a.manager.movedOut, b.manager.movedIn]).toEqual([1, 1])
  })

  test('needs no read with a hint, and no hint with a read', async () => {
    for (const losesHints of [false, true]) {
      const nodes = new ManagedNodes()
      const a = await nodes.add()
      const counting = countingWalReads(nodes.store)
      const b = await nodes.add(() => counting.store)
      a.losesHints = losesHints
      await nodes.createTopic(a, TOPIC, [1], [a, b])
      a.append(TOPIC, { value: 'a', count: 4 })
      await nodes.clock.advanceBy(30)
      await nodes.move(a, TOPIC, 2, [a, b])
      await nodes.clock.advanceBy(2_000)
      expect(b.get(TOPIC).nextOffset).toBe(4)
      expect(counting.count() > 0).toBe(losesHints)
    }
  })

  test('there and back, again and again, with the map told to either first', async () => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    let appended = 0
    for (let round = 0; round < 12; round++) {
      const [owner, next] = round % 2 === 0 ? [a, b] : [b, a]
      owner.append(TOPIC, { value: `${round}`, ...IDEMPOTENT, baseSequence: appended })
      appended++
      owner.losesHints = round % 3 === 0
      await nodes.move(next, TOPIC, next.nodeId, [])
      const [reads, readsLater] = round % 4 < 2 ? [next, owner] : [owner, next]
      await nodes.clock.run(reads.log.catchUp())
      await nodes.clock.advanceBy(round * 40)
      await nodes.clock.run(readsLater.log.catchUp())
      await nodes.clock.advanceBy(3_000)
      await nodes.clock.run(Promise.all([a.log.catchUp(), b.log.catchUp()]))
      expect([next.get(TOPIC).phase, next.get(TOPIC).nextOffset]).toEqual(['open', appended])
      // Its checkpoint has cleared the list, or it could never move again.
      expect(nodes.ownership(next, TOPIC).from).toEqual([])
      expect([...owner.manager.closedEpochs()]).toEqual([])
    }
    expect([a.errors, b.errors]).toEqual([[], []])
  })

  test('away from an owner that never heard of the partition: it closes what it never opened', async () => {
    const { nodes, a, b } = await twoNodes()
    // Created at A and moved on in one step, as a snapshot would show it.
    const past = [{ nodeId: 1, leaderEpoch: 0 }]
    const moved = { nodeId: 2, leaderEpoch: 1, from: past, refs: [1] }
    await nodes.change(
      b,
      () => [
        { type: 'topic-created', topicId: TOPIC, name: 't', owners: [1], configs: {}, atMs: 0 },
        { type: 'ownership', topicId: TOPIC, partition: 0, ...moved },
      ],
      [b],
    )
    await nodes.clock.advanceBy(2_000)
    expect(b.get(TOPIC).phase).toBe('opening')
    await nodes.clock.run(a.log.catchUp())
    await nodes.clock.advanceBy(1_000)
    expect([b.get(TOPIC).phase, b.get(TOPIC).nextOffset]).toEqual(['open', 0])
    expect(a.manager.size).toBe(0)
  })

  test('back to an owner that is still closing waits for its own close', async () => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    a.append(TOPIC, { value: 'a' })
    await nodes.clock.advanceBy(30)
    await nodes.move(b, TOPIC, 2, [b])
    const sealedEnd = await nodes.takeOver(a, 2, TOPIC, 1)
    expect(sealedEnd).toBe(0)
    b.end()
    // A reads both changes at once, while its partition of epoch 0 is open.
    expect(nodes.ownership(a, TOPIC)).toMatchObject({ nodeId: 1, leaderEpoch: 2 })
    await nodes.clock.advanceBy(2_000)
    expect([a.get(TOPIC).phase, a.get(TOPIC).leaderEpoch]).toEqual(['open', 2])
    expect(a.get(TOPIC).nextOffset).toBe(1)
    await nodes.clock.advanceBy(2_000)
    expect(nodes.ownership(a, TOPIC).from).toEqual([])
  })
})

test('a node that succeeds itself without having heard of the one between closes first', async () => {
  const { nodes, a, b } = await twoNodes()
  await nodes.createTopic(a, TOPIC, [1], [a, b])
  a.append(TOPIC, { value: 'x', count: 3 })
  await nodes.clock.advanceBy(30)
  const old = a.get(TOPIC)
  const partition = { type: 'ownership', topicId: TOPIC, partition: 0 } as const
  const zero = { nodeId: 1, leaderEpoch: 0 }
  const one = { nodeId: 2, leaderEpoch: 1 }
  await nodes.change(
    b,
    () => [
      { ...partition, ...one, from: [zero], refs: [1] },
      { type: 'node-sealed', nodeId: 2, sealedEnd: 0 },
      { ...partition, nodeId: 1, leaderEpoch: 2, from: [one, zero], refs: [2] },
    ],
    [a],
  )
  expect(old.phase).toBe('closing')
  await nodes.clock.advanceBy(2_000)
  expect([a.get(TOPIC).phase, a.get(TOPIC).leaderEpoch]).toEqual(['open', 2])
  expect(a.get(TOPIC).nextOffset).toBe(3)
})

describe('a takeover', () => {
  test('keeps all that was acknowledged, without a close', async () => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    const told = [0, 1, 2, 3].map((sequence) =>
      a.append(TOPIC, { value: 'x', ...IDEMPOTENT, baseSequence: sequence }),
    )
    await nodes.clock.advanceBy(30)
    a.end()
    await nodes.takeOver(b, 1, TOPIC, 2)
    await nodes.clock.advanceBy(1_000)
    expect(told.map(({ outcome }) => outcome)).toEqual([0, 1, 2, 3])
    expect(b.get(TOPIC).nextOffset).toBe(4)
    const retry = b.append(TOPIC, { value: 'x', ...IDEMPOTENT, baseSequence: 3 })
    expect(retry.outcome).toBe(3)
  })

  test('of a node that lives acknowledges nothing behind the fence', async () => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    a.append(TOPIC, { value: 'x' })
    await nodes.clock.advanceBy(30)
    const sealedEnd = await nodes.takeOver(b, 1, TOPIC, 2)
    const late = a.append(TOPIC, { value: 'late' })
    await nodes.clock.advanceBy(1_000)
    expect(late.outcome).toBe('not-leader')
    expect(a.fencedAt).toBe(sealedEnd)
    expect(b.get(TOPIC).nextOffset).toBe(1)
    // Its PUTs may still be on their way: memory that is used again would be sent instead.
    expect(a.pool.bytesInUse).toBeGreaterThan(0)
  })

  test('of an owner that had not opened yet goes on with the one before it', async () => {
    const nodes = new ManagedNodes()
    const [a, b, c] = [await nodes.add(), await nodes.add(), await nodes.add()]
    await nodes.createTopic(a, TOPIC, [1], [a, b, c])
    a.append(TOPIC, { value: 'x', count: 7 })
    await nodes.clock.advanceBy(30)
    a.losesHints = true
    // B gets it, and dies before it hears of that.
    await nodes.move(c, TOPIC, 2, [c])
    b.end()
    await nodes.takeOver(c, 2, TOPIC, 3)
    expect(nodes.ownership(c, TOPIC).from).toEqual([
      { nodeId: 2, leaderEpoch: 1 },
      { nodeId: 1, leaderEpoch: 0 },
    ])
    await nodes.clock.advanceBy(3_000)
    expect(c.get(TOPIC).phase).toBe('opening')
    await nodes.clock.run(a.log.catchUp())
    await nodes.clock.advanceBy(3_000)
    expect([c.get(TOPIC).phase, c.get(TOPIC).nextOffset]).toEqual(['open', 7])
  })
})

describe('a topic that is deleted', () => {
  test('is gone with all it had: waiters, memory, closed states; and its name may come again', async () => {
    const { nodes, a, b } = await twoNodes()
    const other = 'AAAAAAAAAAAAAAAAAAAAAw'
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    await nodes.createTopic(a, other, [1], [a, b])
    const told = a.append(TOPIC, { value: 'x' })
    const kept = a.append(other, { value: 'y' })
    await nodes.change(a, () => [{ type: 'topic-deleted', topicId: TOPIC }], [a, b])
    expect(['not-leader', 0]).toContain(told.outcome)
    await nodes.clock.advanceBy(50)
    expect(kept.outcome).toBe(0)
    expect(a.manager.get(TOPIC, 0)).toBeUndefined()
    expect([a.pool.bytesInUse, [...a.manager.closedEpochs()]]).toEqual([0, []])
  })

  test.each([
    ['while it is being closed', 0],
    ['after it was closed', 100],
  ])('%s, leaves nothing', async (_when, closedForMs) => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    a.append(TOPIC, { value: 'x' })
    await nodes.clock.advanceBy(30)
    a.losesHints = true
    await nodes.move(a, TOPIC, 2, [a])
    await nodes.clock.advanceBy(closedForMs)
    expect([...a.manager.closedEpochs()]).toHaveLength(closedForMs > 0 ? 1 : 0)
    const deleted: MetadataRecord[] = [{ type: 'topic-deleted', topicId: TOPIC }]
    await nodes.change(a, () => deleted, [a, b])
    await nodes.clock.advanceBy(2_000)
    expect([a.manager.size, b.manager.size]).toEqual([0, 0])
    expect([...a.manager.closedEpochs()]).toEqual([])
    expect([a.errors, b.errors]).toEqual([[], []])
  })
})

describe('the end of a node', () => {
  test('frozen, it opens and closes nothing more, and its WAL comes to rest', async () => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    const told = a.append(TOPIC, { value: 'x' })
    a.manager.freeze()
    await nodes.clock.run(a.wal.whenIdle())
    const { nextSeq } = a.wal
    expect(told.outcome).toBe(0)
    await nodes.createTopic(b, 'AAAAAAAAAAAAAAAAAAAAAw', [1], [a, b])
    await nodes.move(b, TOPIC, 2, [a, b])
    await nodes.clock.advanceBy(500)
    expect(a.wal.nextSeq).toBe(nextSeq)
    expect(await nodes.clock.run(a.wal.seal())).toBe(nextSeq)
    expect(await nodes.store.get(walKey(1, nextSeq))).not.toBeNull()
  })

  test('stopped, it tells everybody who waits, also for an opening', async () => {
    const { nodes, a, b } = await twoNodes()
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    await nodes.move(b, TOPIC, 2, [b])
    let woken = 0
    b.get(TOPIC).whenOpen(() => woken++)
    b.manager.stop()
    expect(woken).toBe(1)
    await nodes.clock.run(a.log.catchUp())
    await nodes.clock.advanceBy(3_000)
    expect(b.manager.size).toBe(0)
    expect(b.errors).toEqual([])
  })
})
