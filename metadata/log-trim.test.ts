import { describe, expect, test } from '@jest/globals'
import type { Body, ListedObject, ObjectStore } from '../object-store/store.ts'
import { StoreError } from '../object-store/store.ts'
import type { AppliedDelta } from './applied.ts'
import { encodeBoundary } from './batch.ts'
import { AppendUnknown } from './errors.ts'
import {
  METADATA_BOUNDARY_PREFIX,
  METADATA_LOG_PREFIX,
  METADATA_SNAPSHOT_PREFIX,
  metadataBoundaryKey,
  metadataLogKey,
  seqOfKey,
} from './keys.ts'
import type { MetadataLog } from './log.ts'
import { NONCES_KEPT_MIN } from './nonces.ts'
import { foldedImage } from './testing/recorded-store.ts'
import type { World } from './testing/world.ts'
import { setting, world, wrapped } from './testing/world.ts'

async function appendMany(log: MetadataLog, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await log.append(({ configs }) => {
      const old = configs.get('cluster\n\ncount') ?? '0'
      return [setting('count', String(Number(old) + 1))]
    })
  }
}

async function compact(log: MetadataLog, keepBatches = 0): Promise<number> {
  await log.snapshot()
  return log.trim({ keepBatches })
}

async function seqsOf(store: ObjectStore, prefix: string): Promise<number[]> {
  return (await store.list({ prefix })).map(({ key }: ListedObject) => seqOfKey(key))
}

describe('trimming', () => {
  test('leaves what was asked for, two snapshots, and one boundary', async () => {
    const { clock, store, open } = world()
    const log = await open()
    for (let round = 1; round <= 5; round++) {
      await clock.run(appendMany(log, 10))
      const boundary = await clock.run(compact(log, 4))
      expect(boundary).toBe(log.seq - 3)
      const last = [log.seq - 3, log.seq - 2, log.seq - 1, log.seq]
      expect(await seqsOf(store, METADATA_LOG_PREFIX)).toEqual(last)
      expect(await seqsOf(store, METADATA_BOUNDARY_PREFIX)).toEqual([boundary])
    }
    expect(await seqsOf(store, METADATA_SNAPSHOT_PREFIX)).toEqual([41, 51])
    expect((await open()).image).toEqual(foldedImage(store.history))
  })

  test('without a snapshot, or with fewer batches than are kept, deletes nothing', async () => {
    const { clock, store, open } = world()
    const log = await open()
    await clock.run(appendMany(log, 4))
    expect(await clock.run(log.trim({ keepBatches: 0 }))).toBe(0)
    expect(await clock.run(compact(log, 5))).toBe(1)
    expect(await clock.run(compact(log, 100))).toBe(1)
    expect(await seqsOf(store, METADATA_LOG_PREFIX)).toEqual([1, 2, 3, 4, 5])
  })

  test('a snapshot made twice is the same one', async () => {
    const { clock, store, open } = world()
    const [first, second] = [await open(), await open()]
    await clock.run(Promise.all([first.snapshot(), second.snapshot()]))
    expect(await seqsOf(store, METADATA_SNAPSHOT_PREFIX)).toEqual([1])
  })

  test('raises the boundary before the first deletion', async () => {
    const { clock, store, open } = world()
    const steps: string[] = []
    const log = await open({
      store: {
        ...store,
        async putIfAbsent(key: string, body: Body) {
          const result = await store.putIfAbsent(key, body)
          steps.push(`put ${key}`)
          return result
        },
        async delete(keys: readonly string[]) {
          for (const key of keys) steps.push(`delete ${key}`)
          await store.delete(keys)
        },
      },
    })
    await clock.run(appendMany(log, 3))
    await clock.run(compact(log))
    const raised = steps.indexOf(`put ${metadataBoundaryKey(5)}`)
    const deleted = steps.findIndex((step) => step.startsWith('delete'))
    expect(raised).toBeGreaterThan(0)
    expect(deleted).toBeGreaterThan(raised)
  })
})

describe('a reader that slept beyond the trim', () => {
  test('is told to compare everything, and goes on from the snapshot', async () => {
    const { clock, store, open } = world()
    const [writer, sleeper] = [await open(), await open()]
    const deltas: AppliedDelta[] = []
    sleeper.onApplied((delta) => deltas.push(delta))
    const { image } = sleeper
    await clock.run(appendMany(writer, 20))
    await clock.run(compact(writer))
    await clock.run(appendMany(writer, 3))
    await clock.run(sleeper.catchUp())
    expect(deltas.map(({ seq, reloaded, touched }) => [seq, reloaded, touched === 'all'])).toEqual([
      [21, true, true],
      [22, false, false],
      [23, false, false],
      [24, false, false],
    ])
    expect(sleeper.image).toBe(image)
    expect(image).toEqual(foldedImage(store.history))
  })

  // Trace 11 of the protocol: without the second look this reader would call itself fresh.
  test('does not take a trimmed key for the head', async () => {
    const { clock, store, open } = world()
    const [writer, sleeper] = [await open(), await open()]
    await clock.run(appendMany(writer, 5))
    await clock.run(compact(writer))
    expect(await store.get(metadataLogKey(sleeper.seq + 1))).toBeNull()
    await clock.run(sleeper.catchUp())
    expect(sleeper.seq).toBe(6)
  })

  test('does not read what landed late on a trimmed key', async () => {
    const { clock, store, open } = world()
    const [writer, sleeper] = [await open(), await open()]
    const stale = await staleAppend(world(), 2)
    await clock.run(appendMany(writer, 5))
    await clock.run(compact(writer))
    await store.putIfAbsent(metadataLogKey(2), stale)
    await clock.run(sleeper.catchUp())
    expect(sleeper.image).toEqual(foldedImage(store.history))
    await clock.run(compact(writer))
    expect(await seqsOf(store, METADATA_LOG_PREFIX)).toEqual([])
  })

  test('is not misled by a lower boundary that lands late, even on a page of its own', async () => {
    const { clock, store, open } = world()
    const writer = await open()
    await clock.run(writer.append(() => [setting('a')]))
    const paged = wrapped(store, 'list', (list) => (options) => list({ ...options, limit: 1 }))
    const sleeper = await open({ store: paged })
    for (let round = 0; round < 3; round++) {
      await clock.run(appendMany(writer, 3))
      await clock.run(compact(writer))
    }
    const late = { nodeId: 0, seq: 3, nonce: Buffer.alloc(16) }
    await store.putIfAbsent(metadataBoundaryKey(3), encodeBoundary(late))
    expect(sleeper.seq).toBe(2)
    await clock.run(sleeper.catchUp())
    expect(sleeper.seq).toBe(11)
    expect((await open({ store: paged })).seq).toBe(11)
    await clock.run(compact(writer))
    expect(await seqsOf(store, METADATA_BOUNDARY_PREFIX)).toEqual([12])
  })

  test('finds a newer snapshot when its own is deleted under its hands', async () => {
    const { clock, store, open } = world()
    const [writer, sleeper] = [await open(), await open()]
    await clock.run(appendMany(writer, 5))
    await clock.run(compact(writer))
    let isFirst = true
    const reader = await open({
      store: {
        ...store,
        async get(key, range) {
          if (key.startsWith(METADATA_SNAPSHOT_PREFIX) && isFirst) {
            isFirst = false
            for (let round = 0; round < 3; round++) {
              await appendMany(writer, 2)
              await compact(writer)
            }
          }
          return store.get(key, range)
        },
      },
    })
    expect(isFirst).toBe(false)
    await clock.run(sleeper.catchUp())
    expect([reader.seq, sleeper.seq]).toEqual([12, 12])
  })
})

/** The bytes of another cluster's batch at `seq`: as good as any late PUT. */
async function staleAppend({ clock, store, open }: World, seq: number): Promise<Body> {
  const log = await open()
  while (log.seq < seq) await clock.run(log.append(() => [setting('stale')]))
  const bytes = await store.get(metadataLogKey(seq))
  return [bytes as Buffer]
}

describe('a writer that slept beyond the trim', () => {
  test('does not believe a create on a trimmed key', async () => {
    const { clock, store, open } = world()
    const [writer, sleeper] = [await open(), await open()]
    await clock.run(appendMany(writer, 5))
    await clock.run(compact(writer))
    const { seq } = await clock.run(sleeper.append(() => [setting('late')]))
    expect(store.zombieCount()).toBe(1)
    expect(seq).toBe(7)
    await clock.run(writer.catchUp())
    expect(writer.image).toEqual(sleeper.image)
    expect(writer.image.configs.get('cluster\n\nlate')).toBe('1')
  })

  /** A store whose first create of a batch after `arm` is written, but answered much later. */
  function slowAnswer(store: ObjectStore, meanwhile: () => Promise<void>, isArmed: () => boolean) {
    return {
      ...store,
      async putIfAbsent(key: string, body: Body) {
        const result = await store.putIfAbsent(key, body)
        if (!key.startsWith(METADATA_LOG_PREFIX) || !isArmed()) return result
        await meanwhile()
        throw new StoreError('unknown', key, 'the answer got lost')
      },
    }
  }

  test.each([
    ['absent', false],
    ['taken by another late writer', true],
  ])('finds its batch in the snapshot when its key is %s meanwhile', async (_how, isTaken) => {
    const { clock, store, open } = world()
    const other = await open()
    const stale = await staleAppend(world(), 2)
    let isArmed = false
    const meanwhile = async (): Promise<void> => {
      isArmed = false
      await other.catchUp()
      await appendMany(other, 3)
      await compact(other)
      if (isTaken) await store.putIfAbsent(metadataLogKey(2), stale)
    }
    const writer = await open({ store: slowAnswer(store, meanwhile, () => isArmed) })
    isArmed = true
    const result = await clock.run(writer.append(() => [setting('slow')]))
    expect(result).toEqual({ seq: 2, records: [setting('slow')] })
    const holders = store.history.filter(({ batch }) => {
      return batch.records.some((record) => record.type === 'config' && record.key === 'slow')
    })
    expect(holders.map(({ batch }) => batch.seq)).toEqual([2])
    expect(writer.image).toEqual(foldedImage(store.history))
  })

  test('says so when nobody can know any more', async () => {
    const { clock, store, open } = world()
    const other = await open()
    let isArmed = false
    const meanwhile = async (): Promise<void> => {
      isArmed = false
      for (let round = 0; round < 3; round++) {
        await other.catchUp()
        await appendMany(other, NONCES_KEPT_MIN)
        await compact(other)
      }
    }
    const writer = await open({ store: slowAnswer(store, meanwhile, () => isArmed) })
    isArmed = true
    const appended = writer.append(() => [setting('slow')])
    await expect(clock.run(appended)).rejects.toBeInstanceOf(AppendUnknown)
    expect((await clock.run(writer.append(() => [setting('next')]))).seq).toBe(other.seq + 1)
  })
})
