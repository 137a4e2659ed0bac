import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import { type VirtualClock, virtualClock } from '../base/testing/virtual-clock.ts'
import { checkpointKey, walKey } from '../metadata/keys.ts'
import { createDecided } from '../object-store/create.ts'
import { decodeHeader, encodeHeader, HEADER_BYTES, objectKind } from '../object-store/header.ts'
import { memoryStore } from '../object-store/memory.ts'
import { type ObjectStore, StoreError } from '../object-store/store.ts'
import { fenceNode } from './fence.ts'

const NODE = 5
const TAKER = 9

async function putData(store: ObjectStore, seq: number): Promise<'created' | 'exists'> {
  const identity = { nodeId: NODE, seq, nonce: Buffer.alloc(16, seq) }
  const header = encodeHeader(objectKind.walData, identity)
  return store.putIfAbsent(walKey(NODE, seq), [header, Buffer.alloc(50)])
}

async function putCheckpoint(store: ObjectStore, seq: number): Promise<void> {
  await store.putIfAbsent(checkpointKey(NODE, seq), [Buffer.alloc(80)])
}

function fence(store: ObjectStore, clock: VirtualClock, seed = 1): Promise<number> {
  const random = seededRandom(seed)
  const { signal } = new AbortController()
  return fenceNode(NODE, { store, clock, random, signal, takerNodeId: TAKER })
}

async function kindAt(store: ObjectStore, seq: number): Promise<number | null> {
  const bytes = await store.get(walKey(NODE, seq), { start: 0, end: HEADER_BYTES })
  return bytes === null ? null : decodeHeader(walKey(NODE, seq), bytes).kind
}

describe('fenceNode', () => {
  test('puts its fence at the first gap, not behind what was written above it', async () => {
    const clock = virtualClock()
    const store = memoryStore()
    for (const seq of [0, 1, 2, 4, 5]) await putData(store, seq)
    expect(await clock.run(fence(store, clock))).toBe(3)
    expect(await kindAt(store, 3)).toBe(objectKind.walFence)
  })

  test('looks only above the newest checkpoint: what lies below may be deleted', async () => {
    const clock = virtualClock()
    const store = memoryStore()
    await putCheckpoint(store, 3)
    await putCheckpoint(store, 6)
    for (const seq of [6, 7]) await putData(store, seq)
    expect(await clock.run(fence(store, clock))).toBe(8)
  })

  test('a node that wrote nothing, or nothing since its checkpoint, is fenced there', async () => {
    const clock = virtualClock()
    const store = memoryStore()
    expect(await clock.run(fence(store, clock))).toBe(0)
    const other = memoryStore()
    await putCheckpoint(other, 11)
    expect(await clock.run(fence(other, clock))).toBe(12)
  })

  test("adopts another taker's fence, so that all agree where the WAL ends", async () => {
    const clock = virtualClock()
    const store = memoryStore()
    await putData(store, 0)
    const ends = await clock.run(Promise.all([1, 2, 3, 4].map((seed) => fence(store, clock, seed))))
    expect(new Set(ends)).toEqual(new Set([1]))
    await putData(store, 2)
    expect(await clock.run(fence(store, clock))).toBe(1)
  })

  test('a long log is walked to its end, over pages', async () => {
    const clock = virtualClock()
    const store = memoryStore()
    for (let seq = 0; seq < 2_500; seq++) await putData(store, seq)
    expect(await clock.run(fence(store, clock))).toBe(2_500)
    const paged = {
      ...store,
      list: (options: Parameters<ObjectStore['list']>[0]) => store.list({ ...options, limit: 7 }),
    }
    expect(await clock.run(fence(paged, clock))).toBe(2_500)
  })

  test('a fence below a checkpoint that was written meanwhile fences nobody: it looks again', async () => {
    const clock = virtualClock()
    const inner = memoryStore()
    await putData(inner, 0)
    let isFirst = true
    const store: ObjectStore = {
      ...inner,
      async putIfAbsent(key, body) {
        if (isFirst && key === walKey(NODE, 1)) {
          isFirst = false
          // The node lives: it writes on, checkpoints, and deletes what the checkpoint covers.
          for (const seq of [1, 2, 3]) await putData(inner, seq)
          await putCheckpoint(inner, 2)
          await inner.delete([walKey(NODE, 0), walKey(NODE, 1), walKey(NODE, 2)])
        }
        return inner.putIfAbsent(key, body)
      },
    }
    expect(await clock.run(fence(store, clock))).toBe(4)
    expect(await kindAt(store, 4)).toBe(objectKind.walFence)
  })

  test("whatever races with it: below the end all is the node's, and it can acknowledge nothing more", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed)
      const clock = virtualClock()
      const inner = memoryStore()
      const pause = (): Promise<void> =>
        new Promise((resolve) => {
          clock.after(random.below(20), resolve)
        })
      const store: ObjectStore = {
        ...inner,
        async putIfAbsent(key, body) {
          await pause()
          if (random.below(5) === 0) throw new StoreError('unavailable', key, 'injected')
          const result = await inner.putIfAbsent(key, body)
          await pause()
          if (random.below(5) === 0) throw new StoreError('unknown', key, 'injected')
          return result
        },
        async list(options) {
          await pause()
          const page = await inner.list({ ...options, limit: 3 })
          await pause()
          return page
        },
      }
      let acknowledged = 0
      const write = async (): Promise<void> => {
        for (;;) {
          const identity = { nodeId: NODE, seq: acknowledged, nonce: random.bytes(16) }
          const body = [encodeHeader(objectKind.walData, identity), Buffer.alloc(50)]
          const key = walKey(NODE, acknowledged)
          const { outcome } = await createDecided(store, key, body, { clock, random })
          if (outcome === 'lost') return
          acknowledged++
        }
      }
      const writing = write()
      await clock.advanceBy(random.below(200))
      const ends = await clock.run(
        Promise.all([fence(store, clock, seed), fence(store, clock, seed + 1)]),
      )
      await clock.run(writing)
      expect({ seed, ends }).toEqual({ seed, ends: [acknowledged, acknowledged] })
      expect(await kindAt(inner, acknowledged)).toBe(objectKind.walFence)
    }
  })

  test('ends when it is given up, with whatever the store says', async () => {
    const clock = virtualClock()
    const store: ObjectStore = {
      ...memoryStore(),
      async putIfAbsent(key) {
        throw new StoreError('unavailable', key, 'down')
      },
    }
    const abort = new AbortController()
    const random = seededRandom(1)
    const fencing = fenceNode(NODE, { store, clock, random, signal: abort.signal, takerNodeId: 1 })
    clock.after(5_000, () => abort.abort())
    await expect(clock.run(fencing)).rejects.toMatchObject({ kind: 'unknown' })
  })
})
