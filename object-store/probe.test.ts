import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { virtualClock } from '../base/testing/virtual-clock.ts'
import { filesystemStore } from './filesystem.ts'
import { memoryStore } from './memory.ts'
import { openStore } from './open.ts'
import { probeStore, quickProbe } from './probe.ts'
import type { Body, ObjectStore, StoreErrorKind } from './store.ts'
import { StoreError } from './store.ts'
import type { S3Server } from './testing/s3-servers.ts'
import { BUILD_MS_MAX, startMinio, startS3rver, startVersitygw } from './testing/s3-servers.ts'

const real = () => ({ clock: systemClock, random: seededRandom(1) })
const good = { ok: true, rounds: 16, racers: 32 }

async function withServer(
  start: () => Promise<S3Server>,
  check: (store: ObjectStore) => Promise<void>,
): Promise<void> {
  const server = await start()
  try {
    const store = await openStore(server.url, { credentials: server.credentials })
    await check(store)
    await store.close()
  } finally {
    await server.stop()
  }
}

async function expectGood(store: ObjectStore): Promise<void> {
  expect(await quickProbe(store, real())).toMatchObject({ ok: true })
  expect(await probeStore(store, real())).toEqual(good)
  expect(await store.list({ prefix: '' })).toEqual([])
}

describe('stores that can hold a cluster', () => {
  test('memory', () => expectGood(memoryStore()))

  test('a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'streamcluster-probe-'))
    await expectGood(await filesystemStore({ folder }))
    await rm(folder, { recursive: true })
  })

  test('versitygw', () => withServer(startVersitygw, expectGood), BUILD_MS_MAX)
  test('MinIO', () => withServer(startMinio, expectGood), BUILD_MS_MAX)

  test('one that loses answers and objects to conflicts, but decides', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const clock = virtualClock()
      const random = seededRandom(seed)
      const inner = memoryStore()
      const failAt = (percent: number, kind: StoreErrorKind): void => {
        if (random.below(100) < percent) throw new StoreError(kind, '', 'scripted')
      }
      const store: ObjectStore = {
        ...inner,
        async putIfAbsent(key, body) {
          failAt(10, 'conflict')
          failAt(10, 'unknown')
          const answer = await inner.putIfAbsent(key, body)
          failAt(30, 'unknown')
          return answer
        },
        async get(...call) {
          failAt(20, 'unavailable')
          return inner.get(...call)
        },
      }
      expect(await clock.run(probeStore(store, { clock, random }))).toEqual(good)
    }
  })
})

/** A store that checks first and writes after a pause, as some servers do. */
function racy(inner: ObjectStore, clock: ReturnType<typeof virtualClock>): ObjectStore {
  const random = seededRandom(3)
  return {
    ...inner,
    async putIfAbsent(key, body) {
      await sleep(clock, random.below(5))
      if ((await inner.get(key)) !== null) return 'exists'
      await sleep(clock, random.below(2))
      await inner.delete([key])
      return inner.putIfAbsent(key, body)
    },
  }
}

function overwriting(inner: ObjectStore, answer: 'created' | 'exists'): ObjectStore {
  return {
    ...inner,
    async putIfAbsent(key: string, body: Body) {
      const isNew = (await inner.get(key)) === null
      await inner.delete([key])
      await inner.putIfAbsent(key, body)
      return isNew ? 'created' : answer
    },
  }
}

const unfit: Record<string, [(inner: ObjectStore) => ObjectStore, RegExp]> = {
  'that overwrites and says so': [(inner) => overwriting(inner, 'created'), /second time/],
  'that overwrites secretly': [(inner) => overwriting(inner, 'exists'), /second time/],
  'that finds everything': [
    (inner) => ({ ...inner, putIfAbsent: async () => 'exists' }),
    /says of a new key that there is an object/,
  ],
  'that forgets': [(inner) => ({ ...inner, get: async () => null }), /does not find an object/],
  'that damages': [
    (inner) => ({
      ...inner,
      putIfAbsent: (key, body) => inner.putIfAbsent(key, body.slice(0, 1)),
    }),
    /gives back other bytes/,
  ],
  'that ignores ranges': [
    (inner) => ({ ...inner, get: (key: string) => inner.get(key) }),
    /reads of a part/,
  ],
  'that lists late': [(inner) => ({ ...inner, list: async () => [] }), /just written/],
  'that ignores startAfter': [
    (inner) => ({ ...inner, list: ({ prefix }) => inner.list({ prefix }) }),
    /start-after/,
  ],
  'that keeps what it deletes': [
    (inner) => ({ ...inner, delete: async () => {} }),
    /still has an object/,
  ],
}

describe('stores that cannot', () => {
  test.each(Object.keys(unfit))('one %s is refused, saying why', async (name) => {
    const [make, why] = unfit[name] as [(inner: ObjectStore) => ObjectStore, RegExp]
    const result = await probeStore(make(memoryStore()), real())
    expect(result).toEqual({ ok: false, reason: expect.stringMatching(why) })
    // The words must help who reads them.
    expect(result).toEqual({ ok: false, reason: expect.stringMatching(/AWS S3.*file:\/\//) })
  })

  test('a racy one passes the quick probe, and is refused by the whole one', async () => {
    const clock = virtualClock()
    const store = racy(memoryStore(), clock)
    const options = { clock, random: seededRandom(1) }
    expect(await clock.run(quickProbe(store, options))).toMatchObject({ ok: true })
    const result = await clock.run(probeStore(store, options))
    expect(result).toEqual({ ok: false, reason: expect.stringMatching(/not check.*atomically/) })
    expect(await store.list({ prefix: '' })).toEqual([])
  })

  test('s3rver, which ignores conditions', () =>
    withServer(startS3rver, async (store) => {
      for (const result of [await quickProbe(store, real()), await probeStore(store, real())]) {
        expect(result).toEqual({ ok: false, reason: expect.stringMatching(/If-None-Match/) })
      }
    }))

  test.each(['denied', 'misconfigured'] as const)('one that is %s, in its words', async (kind) => {
    const putIfAbsent = async () => {
      throw new StoreError(kind, '', 'allow this and that')
    }
    const result = await quickProbe({ ...memoryStore(), putIfAbsent }, real())
    expect(result).toEqual({ ok: false, reason: expect.stringContaining('allow this and that') })
  })
})

test('a store in trouble is not called unfit', async () => {
  const clock = virtualClock()
  const fail = async () => {
    throw new StoreError('unavailable', '', 'scripted')
  }
  for (const broken of [{ putIfAbsent: fail }, { get: fail }]) {
    const store = { ...memoryStore(), ...broken }
    const result = clock.run(quickProbe(store, { clock, random: seededRandom(1) }))
    await expect(result).rejects.toMatchObject({ kind: 'unavailable' })
  }
})
