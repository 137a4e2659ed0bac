import { expect, test } from '@jest/globals'
import { configKey } from '../metadata/image.ts'
import { checkpointKey, walKey } from '../metadata/keys.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import { registration } from '../metadata/testing/random-records.ts'
import { world, wrapped } from '../metadata/testing/world.ts'
import { forgetNode, forgettableNodes } from './forget.ts'

const DATA = [Buffer.alloc(100)]

/** A cluster of nodes 1 to 3 with a topic of the first, in which the second is sealed at 5. */
async function sealedWorld(records: MetadataRecord[] = []) {
  const { clock, store, open } = world()
  const log = await open()
  for (let count = 0; count < 3; count++) {
    await clock.run(log.append((image) => [registration(image)]))
  }
  await clock.run(
    log.append(() => [
      { type: 'topic-created', topicId: 't', name: 't', owners: [1], configs: {}, atMs: 0 },
      ...records,
      { type: 'node-sealed', nodeId: 2, sealedEnd: 5 },
    ]),
  )
  for (let seq = 0; seq <= 5; seq++) await store.putIfAbsent(walKey(2, seq), DATA)
  await store.putIfAbsent(checkpointKey(2, 3), DATA)
  await store.putIfAbsent(walKey(20, 0), DATA)
  return { clock, store, log }
}

test('a sealed node that nothing refers to goes, with all of its objects but the fence', async () => {
  const { clock, store, log } = await sealedWorld()
  expect(forgettableNodes(log.image)).toEqual([2])
  await clock.run(forgetNode(log, store, 2))
  expect(log.image.nodes.has(2)).toBe(false)
  const left = await store.list({ prefix: 'wal/' })
  expect(left.map(({ key }) => key).sort()).toEqual([walKey(2, 5), walKey(20, 0)].sort())
  expect(await store.list({ prefix: 'ckpt/' })).toEqual([])
})

test('what was set of the node alone goes with it, and nothing else', async () => {
  const set = (name: string): MetadataRecord => {
    return { type: 'config', scope: 'broker', name, key: 'max.connections', value: '5' }
  }
  const { clock, store, log } = await sealedWorld([set(''), set('1'), set('2'), set('22')])
  await clock.run(forgetNode(log, store, 2))
  const left = [...log.image.configs.keys()].sort()
  expect(left).toEqual(['', '1', '22'].map((name) => configKey('broker', name, 'max.connections')))
})

test.each([
  ['refs', { nodeId: 3, leaderEpoch: 2, from: [], refs: [2] }],
  ['from', { nodeId: 3, leaderEpoch: 2, from: [{ nodeId: 2, leaderEpoch: 1 }], refs: [2] }],
])('a node that stands in %s stays, and so do its objects', async (_where, ownership) => {
  const past = [{ nodeId: 1, leaderEpoch: 0 }]
  const { log } = await sealedWorld([
    {
      type: 'ownership',
      topicId: 't',
      partition: 0,
      nodeId: 2,
      leaderEpoch: 1,
      from: past,
      refs: [1],
    },
    {
      type: 'ownership',
      topicId: 't',
      partition: 0,
      nodeId: 2,
      leaderEpoch: 1,
      from: [],
      refs: [],
    },
    {
      type: 'ownership',
      topicId: 't',
      partition: 0,
      nodeId: 3,
      leaderEpoch: 2,
      from: [{ nodeId: 2, leaderEpoch: 1 }],
      refs: [2],
    },
    { type: 'ownership', topicId: 't', partition: 0, ...ownership },
  ])
  expect(forgettableNodes(log.image)).toEqual([])
})

test('a node that is not sealed is never touched', async () => {
  const { clock, store, log } = await sealedWorld()
  await store.putIfAbsent(walKey(3, 0), DATA)
  await clock.run(forgetNode(log, store, 3))
  expect(await store.get(walKey(3, 0))).not.toBeNull()
  expect(log.image.nodes.has(3)).toBe(true)
})

test('all pages of objects go, and a second try after a fault ends what the first began', async () => {
  const { clock, store, log } = await sealedWorld()
  let isBroken = true
  const small = wrapped(store, 'list', (list) => (options) => list({ ...options, limit: 2 }))
  const broken = {
    ...small,
    async delete(keys: readonly string[]) {
      if (isBroken && keys.some((key) => key.startsWith('wal/'))) throw new Error('no')
      await small.delete(keys)
    },
  }
  await expect(clock.run(forgetNode(log, broken, 2))).rejects.toThrow('no')
  expect(log.image.nodes.has(2)).toBe(true)
  isBroken = false
  await clock.run(forgetNode(log, broken, 2))
  expect(await store.list({ prefix: 'wal/' })).toHaveLength(2)
  expect(log.image.nodes.has(2)).toBe(false)
})
