import { describe, expect, test } from '@jest/globals'
import { reassignFrom } from '../../controller/takeover.ts'
import type { ImageState } from '../../metadata/image.ts'
import { checkpointKey, checkpointPrefix, seqOfKey, walKey } from '../../metadata/keys.ts'
import { newestCheckpointSeq } from '../../metadata/node-objects.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import { StoreError } from '../../object-store/store.ts'
import { type CheckpointEntry, decodeCheckpoint } from '../wal/checkpoint.ts'
import { encodeFence } from '../wal/log-object.ts'
import { decodeHotState } from './hot-state.ts'
import { epochKey, scanNode } from './node-scan.ts'
import { type ManagedNode, ManagedNodes } from './testing/managed-nodes.ts'
import { TOPIC } from './testing/partition-world.ts'

const FENCE = { nodeId: 2, seq: 0, nonce: Buffer.alloc(16, 1) }
const OTHER_TOPIC = 'AAAAAAAAAAAAAAAAAAAAAw'

async function newestOf(nodes: ManagedNodes, nodeId: number): Promise<CheckpointEntry[]> {
  const seq = await newestCheckpointSeq(nodes.store, nodeId)
  const key = checkpointKey(nodeId, seq)
  return decodeCheckpoint(key, (await nodes.store.get(key)) as Buffer)
}

async function checkpointSeqs(nodes: ManagedNodes, nodeId: number): Promise<number[]> {
  const listed = await nodes.store.list({ prefix: checkpointPrefix(nodeId) })
  return listed.map(({ key }) => seqOfKey(key))
}

/** A partition of B that came from A, with data of both. */
async function moved(nodes: ManagedNodes, a: ManagedNode, b: ManagedNode): Promise<void> {
  await nodes.createTopic(a, TOPIC, [a.nodeId], [a, b])
  a.append(TOPIC, { value: 'a', count: 3 })
  await nodes.clock.advanceBy(30)
  await nodes.move(a, TOPIC, b.nodeId, [a, b])
  await nodes.clock.advanceBy(30)
}

describe('a checkpoint', () => {
  test('comes soon after a move, and only then the list of past owners is cleared', async () => {
    const nodes = new ManagedNodes()
    const [a, b] = [await nodes.add(), await nodes.add()]
    await moved(nodes, a, b)
    expect(nodes.ownership(b, TOPIC)).toMatchObject({ from: [{ nodeId: 1, leaderEpoch: 0 }] })
    expect(await checkpointSeqs(nodes, 2)).toEqual([])
    await nodes.clock.advanceBy(200)
    expect(await checkpointSeqs(nodes, 2)).toHaveLength(1)
    // Its data is still in A's objects, so A's name stays.
    expect(nodes.ownership(b, TOPIC)).toMatchObject({ from: [], refs: [1] })
    const [entry] = await newestOf(nodes, 2)
    expect(entry).toMatchObject({ topicId: TOPIC, leaderEpoch: 1, closed: false })
    expect(decodeHotState(entry?.state as Buffer).endOffset).toBe(3)
  })

  test('of a partition without data of the old owner drops its name', async () => {
    const nodes = new ManagedNodes()
    const [a, b] = [await nodes.add(), await nodes.add()]
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    await nodes.clock.advanceBy(30)
    await nodes.move(a, TOPIC, 2, [a, b])
    await nodes.clock.advanceBy(300)
    expect(nodes.ownership(b, TOPIC)).toMatchObject({ from: [], refs: [] })
  })

  test('holds closed states for as long as somebody may have to read them', async () => {
    const nodes = new ManagedNodes()
    const [a, b] = [await nodes.add(), await nodes.add()]
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    await nodes.createTopic(a, OTHER_TOPIC, [1], [a, b])
    a.append(TOPIC, { value: 'a', count: 3 })
    a.losesHints = true
    await nodes.move(a, TOPIC, 2, [a])
    await nodes.clock.advanceBy(50)
    await nodes.clock.run(a.checkpointer.flush())
    const entries = await newestOf(nodes, 1)
    expect(entries.map(({ topicId, closed }) => [topicId, closed])).toEqual(
      expect.arrayContaining([
        [OTHER_TOPIC, false],
        [TOPIC, true],
      ]),
    )
    // Only now B hears of it: it finds the close in the checkpoint.
    await nodes.clock.run(b.log.catchUp())
    await nodes.clock.advanceBy(3_000)
    expect([b.get(TOPIC).phase, b.get(TOPIC).nextOffset]).toEqual(['open', 3])
    await nodes.clock.run(a.log.catchUp())
    a.append(OTHER_TOPIC, { value: 'b' })
    await nodes.clock.advanceBy(50)
    await nodes.clock.run(a.checkpointer.flush())
    expect((await newestOf(nodes, 1)).map(({ topicId }) => topicId)).toEqual([OTHER_TOPIC])
  })

  test('does not know of an epoch whose open entry is not durable yet', async () => {
    const nodes = new ManagedNodes()
    const a = await nodes.add()
    await nodes.createTopic(a, TOPIC, [1], [a])
    await nodes.clock.advanceBy(30)
    await nodes.createTopic(a, OTHER_TOPIC, [1], [a])
    expect(a.get(OTHER_TOPIC).phase).toBe('open')
    await a.checkpointer.flush()
    expect((await newestOf(nodes, 1)).map(({ topicId }) => topicId)).toEqual([TOPIC])
    await nodes.clock.run(a.wal.whenIdle())
    const wish = epochKey(OTHER_TOPIC, 0, 0)
    const options = { nodeId: 1, sealedEnd: a.wal.durableEnd, wishes: new Set([wish]), nowMs: 0 }
    const scanned = await scanNode(nodes.store, options)
    expect(scanned.outcome === 'complete' && scanned.found.has(wish)).toBe(true)
  })

  test('plus the log after it is the log from its start, wherever it was taken', async () => {
    const nodes = new ManagedNodes()
    const a = await nodes.add()
    await nodes.createTopic(a, TOPIC, [1], [a])
    const wishes = new Set([epochKey(TOPIC, 0, 0)])
    const scan = async (): Promise<string> => {
      const scanned = await nodes.clock.run(
        scanNode(nodes.store, { nodeId: 1, sealedEnd: a.wal.durableEnd, wishes, nowMs: 0 }),
      )
      if (scanned.outcome !== 'complete') throw new Error(scanned.why)
      const found = scanned.found.get(epochKey(TOPIC, 0, 0))
      const { endOffset, epochs, runs, producers } = found?.state ?? {}
      const listed = Array.from({ length: runs?.length ?? 0 }, (_, index) => runs?.at(index))
      const last = [...(producers?.list() ?? [])].map(({ last: batch }) => batch.lastSequence)
      return JSON.stringify({ endOffset, epochs, listed, last })
    }
    for (let sequence = 0; sequence < 20; sequence++) {
      const told = a.append(TOPIC, {
        value: 'x',
        producerId: 3,
        producerEpoch: 0,
        baseSequence: sequence,
      })
      await nodes.clock.advanceBy(sequence % 3 === 0 ? 30 : 1)
      const before = await scan()
      // In the midst of PUTs under way, some acknowledged and some not.
      if (sequence % 4 === 1) await nodes.clock.run(a.checkpointer.flush())
      else await nodes.clock.advanceBy(2)
      if (told.outcome === 'pending') continue
      await nodes.clock.run(a.wal.whenIdle())
      expect((await scan()).length).toBeGreaterThanOrEqual(before.length)
    }
    await nodes.clock.run(a.wal.whenIdle())
    const withCheckpoints = await scan()
    const keys = (await nodes.store.list({ prefix: checkpointPrefix(1) })).map(({ key }) => key)
    expect(keys.length).toBeGreaterThan(0)
    await nodes.store.delete(keys)
    expect(await scan()).toBe(withCheckpoints)
  })
})

describe('when checkpoints are written', () => {
  test('after so many objects; never twice for the same; two of them are kept', async () => {
    const nodes = new ManagedNodes(5)
    const a = await nodes.add()
    await nodes.createTopic(a, TOPIC, [1], [a])
    for (let index = 0; index < 60; index++) {
      a.append(TOPIC, { value: 'x'.repeat(100) })
      await nodes.clock.advanceBy(40)
    }
    await nodes.clock.advanceBy(500)
    const seqs = await checkpointSeqs(nodes, 1)
    expect(seqs).toHaveLength(2)
    expect(a.wal.durableEnd - 1 - (seqs[1] as number)).toBeLessThan(20)
    const count = a.wal.nextSeq
    await nodes.clock.run(a.checkpointer.flush())
    await nodes.clock.run(a.checkpointer.flush())
    expect((await checkpointSeqs(nodes, 1)).at(-1)).toBe(count - 1)
  })

  test('none without anything durable', async () => {
    const nodes = new ManagedNodes()
    const a = await nodes.add()
    await nodes.clock.run(a.checkpointer.flush())
    expect(await checkpointSeqs(nodes, 1)).toEqual([])
  })

  test('a fault is tried again until it is written', async () => {
    const nodes = new ManagedNodes()
    let failures = 3
    const a = await nodes.add()
    const b = await nodes.add((store) => ({
      ...store,
      async putIfAbsent(key, body) {
        if (key.startsWith('ckpt/') && failures-- > 0) {
          throw new StoreError('denied', key, 'not yet')
        }
        return store.putIfAbsent(key, body)
      },
    }))
    await moved(nodes, a, b)
    await nodes.clock.advanceBy(500)
    expect(await checkpointSeqs(nodes, 2)).toEqual([])
    await nodes.clock.advanceBy(5_000)
    expect(await checkpointSeqs(nodes, 2)).toHaveLength(1)
    expect(nodes.ownership(b, TOPIC).from).toEqual([])
  })

  test('a node that was sealed meanwhile deletes nothing: a taker may be reading it', async () => {
    const nodes = new ManagedNodes()
    const [a, b] = [await nodes.add(), await nodes.add()]
    await nodes.createTopic(a, TOPIC, [1], [a, b])
    const flush = async (): Promise<void> => {
      a.append(TOPIC, { value: 'x' })
      await nodes.clock.advanceBy(40)
      await nodes.clock.run(a.checkpointer.flush())
    }
    for (let count = 0; count < 4; count++) await flush()
    expect(await checkpointSeqs(nodes, 1)).toHaveLength(2)
    a.append(TOPIC, { value: 'x' })
    await nodes.clock.advanceBy(40)
    const kept = await checkpointSeqs(nodes, 1)
    await nodes.takeOver(b, 1, TOPIC, 2)
    await nodes.clock.run(a.checkpointer.flush())
    expect(await checkpointSeqs(nodes, 1)).toEqual(expect.arrayContaining(kept))
  })

  test('stopped, it writes no more', async () => {
    const nodes = new ManagedNodes()
    const [a, b] = [await nodes.add(), await nodes.add()]
    await moved(nodes, a, b)
    b.checkpointer.stop()
    b.checkpointer.request()
    await nodes.clock.advanceBy(5_000)
    expect(await checkpointSeqs(nodes, 2)).toEqual([])
  })
})

test('a node that takes over more partitions than a batch holds clears the lists of all', async () => {
  const nodes = new ManagedNodes()
  const [a, b] = [await nodes.add(), await nodes.add()]
  const count = 12_000
  await nodes.createTopic(a, TOPIC, Array(count).fill(1) as number[], [a])
  await nodes.clock.run(a.wal.whenIdle())
  a.end()
  const sealedEnd = a.wal.durableEnd
  await nodes.store.putIfAbsent(walKey(1, sealedEnd), encodeFence(FENCE))
  const moves = (image: ImageState): MetadataRecord[] => reassignFrom(image, new Set([1]), [2])
  await nodes.change(b, () => [{ type: 'node-sealed', nodeId: 1, sealedEnd }], [])
  while (moves(b.log.image).length > 0) await nodes.change(b, moves, [])
  await nodes.clock.advanceBy(5_000)
  const left = b.log.image.topics.get(TOPIC)?.partitions.filter(({ from }) => from.length > 0)
  expect(left).toEqual([])
  expect(b.manager.size).toBe(count)
})
