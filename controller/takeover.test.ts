import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import { walKey } from '../metadata/keys.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import { registration } from '../metadata/testing/random-records.ts'
import { world } from '../metadata/testing/world.ts'
import { reassignFrom, succession, takeOver } from './takeover.ts'

/** A cluster of so many nodes, with a topic whose partitions these own. */
async function clusterWith(nodeCount: number, owners: number[], more: MetadataRecord[] = []) {
  const made = world()
  const log = await made.open()
  for (let count = 0; count < nodeCount; count++) {
    await made.clock.run(log.append((image) => [registration(image)]))
  }
  const topic = { topicId: 't', name: 't', owners, configs: {}, atMs: 0 }
  await made.clock.run(log.append(() => [{ type: 'topic-created', ...topic }, ...more]))
  return { ...made, log }
}

describe('succession', () => {
  test('keeps every past owner and every node with data, and names none twice', () => {
    const ownership = {
      nodeId: 2,
      leaderEpoch: 5,
      from: [{ nodeId: 1, leaderEpoch: 4 }],
      refs: [1, 3],
    }
    expect(succession({ topicId: 't', partition: 0, ownership }, 3)).toEqual({
      type: 'ownership',
      topicId: 't',
      partition: 0,
      nodeId: 3,
      leaderEpoch: 6,
      from: [
        { nodeId: 2, leaderEpoch: 5 },
        { nodeId: 1, leaderEpoch: 4 },
      ],
      refs: [1, 2],
    })
  })
})

describe('reassignFrom', () => {
  test('gives everything to those that may own it, evenly with what they have', async () => {
    const { log } = await clusterWith(
      4,
      [1, 1, 1, 1, 1, 2, 2, 2],
      [{ type: 'node-draining', nodeId: 4, draining: true }],
    )
    const records = reassignFrom(log.image, new Set([1]), [1, 2, 3, 4, 77])
    const targets = records.map((record) => (record.type === 'ownership' ? record.nodeId : 0))
    expect(targets.filter((target) => target === 3)).toHaveLength(4)
    expect(targets.filter((target) => target === 2)).toHaveLength(1)
  })

  test('gives nothing where nobody can take it', async () => {
    const { log } = await clusterWith(2, [1, 1])
    expect(reassignFrom(log.image, new Set([1]), [])).toEqual([])
    expect(reassignFrom(log.image, new Set([1]), [1])).toEqual([])
  })
})

describe('takeOver', () => {
  function options(made: Awaited<ReturnType<typeof clusterWith>>, targets: number[]) {
    const { signal } = new AbortController()
    const { store, clock } = made
    const random = seededRandom(1)
    return { store, clock, random, signal, takerNodeId: 2, targets: () => targets }
  }

  test('fences, seals and gives away in one batch; a second one has nothing to do', async () => {
    const made = await clusterWith(3, [1, 1, 2])
    const { clock, log, store } = made
    await store.putIfAbsent(walKey(1, 0), [Buffer.alloc(100)])
    const before = log.seq
    expect(await clock.run(takeOver(log, 1, options(made, [2, 3])))).toEqual({
      sealedEnd: 1,
      partitions: 2,
    })
    expect(log.seq).toBe(before + 1)
    expect(log.image.nodes.get(1)).toMatchObject({ state: 'sealed', sealedEnd: 1 })
    expect(await clock.run(takeOver(log, 1, options(made, [2, 3])))).toBeNull()
    expect(log.seq).toBe(before + 1)
  })

  test('two at once seal it once, at the same end', async () => {
    const made = await clusterWith(3, [1, 1])
    const other = await made.open()
    const outcomes = await made.clock.run(
      Promise.all([
        takeOver(made.log, 1, options(made, [2])),
        takeOver(other, 1, options(made, [3])),
      ]),
    )
    expect(outcomes.filter((outcome) => outcome !== null)).toHaveLength(1)
    await made.clock.run(Promise.all([made.log.catchUp(), other.catchUp()]))
    const owners = made.log.image.topics.get('t')?.partitions.map(({ nodeId }) => nodeId) ?? []
    expect(new Set(owners).size).toBe(1)
  })

  test('with nobody to give to, it seals all the same: the next to come takes over', async () => {
    const made = await clusterWith(2, [1, 1])
    expect(await made.clock.run(takeOver(made.log, 1, options(made, [])))).toEqual({
      sealedEnd: 0,
      partitions: 0,
    })
  })
})
