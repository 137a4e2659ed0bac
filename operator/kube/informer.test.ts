import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { type VirtualClock, virtualClock } from '../../base/testing/virtual-clock.ts'
import { type Change, Informer, type InformerOptions } from './informer.ts'
import { byLabel, byOwnerUid } from './object-cache.ts'
import { type KubeObject, kinds } from './objects.ts'
import { FakeApiServer } from './testing/fake-api-server.ts'
import { testClient } from './testing/test-client.ts'
import { advanceUntil, settle, until } from './testing/until.ts'
import { WATCH_IDLE_MS_MAX } from './watch.ts'

let server: FakeApiServer
let clock: VirtualClock
let informer: Informer
let changes: string[]

function configMap(name: string, value: string, metadata: object = {}): KubeObject {
  return { metadata: { namespace: 'a', name, ...metadata }, data: { value } }
}

function put(name: string, value: string, metadata: object = {}): KubeObject {
  return server.put(kinds.configMap, configMap(name, value, metadata))
}

function valueOfObject(object: KubeObject): string {
  return (object.data as { value: string }).value
}

function words(change: Change): string {
  const { type, object } = change
  const before = type === 'updated' ? `${valueOfObject(change.previous)}>` : ''
  return `${type} ${object.metadata.name} ${before}${valueOfObject(object)}`
}

/** What the informer holds, and what the server has: name → value. */
function held(): Record<string, string> {
  const entries = informer.cache.all().map((one) => [one.metadata.name, valueOfObject(one)])
  return Object.fromEntries(entries.sort())
}
function truth(): Record<string, string> {
  const objects = server.objects.list('/api/v1/configmaps', 'a')
  return Object.fromEntries(objects.map((one) => [one.metadata.name, valueOfObject(one)]).sort())
}

async function begin(options: Partial<InformerOptions<KubeObject>> = {}): Promise<void> {
  informer = new Informer({
    client: testClient(server, clock),
    clock,
    random: seededRandom(3),
    log: silentLogger,
    kind: kinds.configMap,
    namespace: 'a',
    onChange: (change) => void changes.push(words(change)),
    ...options,
  })
  informer.start()
}

/** The informer has a watch of its own that the server feeds. */
async function watching(count = 1): Promise<void> {
  await until(() => informer.counts.watches >= count && server.watchCount === 1)
}

beforeEach(async () => {
  server = await FakeApiServer.start()
  clock = virtualClock()
  changes = []
})
afterEach(async () => {
  await informer.stop()
  expect(clock.pendingCount).toBe(0)
  await server.stop()
})

describe('in good times', () => {
  test('what is there is added, then every change is told with what was before', async () => {
    put('x', '1')
    put('y', '1')
    server.put(kinds.configMap, { metadata: { namespace: 'b', name: 'z' }, data: { value: '1' } })
    await begin()
    expect(informer.hasSynced).toBe(false)
    await informer.synced()
    expect(changes).toEqual(['added x 1', 'added y 1'])
    await watching()
    put('x', '2')
    put('w', '1')
    server.remove(kinds.configMap, 'a', 'y')
    await until(() => changes.length === 5)
    expect(changes.slice(2)).toEqual(['updated x 1>2', 'added w 1', 'deleted y 1'])
    expect(held()).toEqual(truth())
    expect(informer.counts).toEqual({ lists: 1, watches: 1, failures: 0 })
  })

  test('objects are found by owner and by label, and by neither once they changed', async () => {
    const ownerReferences = [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'u1' }]
    await begin({ indexes: { owner: byOwnerUid, app: byLabel('app') } })
    await informer.synced()
    await watching()
    put('x', '1', { ownerReferences, labels: { app: 'p' } })
    put('y', '1', { labels: { app: 'p' } })
    await until(() => changes.length === 2)
    const names = (index: string, value: string) =>
      informer.cache.withIndex(index, value).map(({ metadata }) => metadata.name)
    expect(names('owner', 'u1')).toEqual(['x'])
    expect(names('app', 'p').sort()).toEqual(['x', 'y'])
    put('x', '2', { labels: { app: 'q' } })
    server.remove(kinds.configMap, 'a', 'y')
    await until(() => changes.length === 4)
    expect([names('owner', 'u1'), names('app', 'p'), names('app', 'q')]).toEqual([[], [], ['x']])
    expect(() => names('none', '')).toThrow('no index')
  })

  test('what leaves the selection is deleted, what comes into it added', async () => {
    put('x', '1', { labels: { app: 'p' } })
    await begin({ labelSelector: 'app=p' })
    await informer.synced()
    await watching()
    put('x', '2', { labels: { app: 'q' } })
    put('y', '1', { labels: { app: 'p' } })
    await until(() => changes.length === 3)
    expect(changes.slice(1)).toEqual(['deleted x 2', 'added y 1'])
  })

  test('a handler that throws spoils nothing but its own change', async () => {
    await begin({
      onChange(change) {
        changes.push(words(change))
        throw new Error('a bug')
      },
    })
    put('x', '1')
    await until(() => changes.length === 1)
    await watching()
    put('x', '2')
    await until(() => changes.length === 2)
    expect(held()).toEqual({ x: '2' })
  })

  test('the server ends watches after their time; the next goes on where it was, without a list', async () => {
    await begin()
    await informer.synced()
    await watching()
    const seconds = Number(server.requests.at(-1)?.query.get('timeoutSeconds'))
    expect(seconds).toBeGreaterThanOrEqual(300)
    expect(seconds).toBeLessThanOrEqual(600)
    put('x', '1')
    await until(() => changes.length === 1)
    server.endWatches()
    put('x', '2')
    await until(() => changes.length === 2)
    expect(changes).toEqual(['added x 1', 'updated x 1>2'])
    expect(informer.counts).toMatchObject({ lists: 1, failures: 0 })
  })

  test('bookmarks move the place from which the next watch goes on', async () => {
    await begin()
    await informer.synced()
    await watching()
    for (let index = 0; index < 5; index++) {
      server.put(kinds.pod, { metadata: { namespace: 'a', name: `p${index}` } })
    }
    server.sendBookmarks()
    const { resourceVersion } = server.objects
    await settle()
    server.objects.compact()
    server.endWatches()
    await watching(2)
    expect(server.requests.at(-1)?.query.get('resourceVersion')).toBe(String(resourceVersion))
    expect(informer.counts.lists).toBe(1)
  })
})

describe('in bad times', () => {
  test('a watch that is cut goes on after a wait, and nothing is missed', async () => {
    put('x', '1')
    await begin()
    await informer.synced()
    await watching()
    server.cutWatches()
    put('x', '2')
    put('y', '1')
    expect(await advanceUntil(clock, () => changes.length === 3, { limitMs: 5_000 })).toBe(true)
    expect(changes).toEqual(['added x 1', 'updated x 1>2', 'added y 1'])
    expect(informer.counts.lists).toBe(1)
  })

  test('a link that is silent is given up and what it swallowed is told', async () => {
    await begin()
    await informer.synced()
    await watching()
    server.silenceWatches()
    put('x', '1')
    await clock.advanceBy(WATCH_IDLE_MS_MAX - 1)
    await settle()
    expect(changes).toEqual([])
    await clock.advanceBy(1)
    await until(() => changes.length === 1)
    expect(held()).toEqual({ x: '1' })
    expect(informer.counts).toMatchObject({ lists: 1, watches: 2 })
  })

  test('bookmarks keep a quiet link alive', async () => {
    await begin()
    await informer.synced()
    await watching()
    for (let minute = 0; minute < 4; minute++) {
      await clock.advanceBy(WATCH_IDLE_MS_MAX - 10)
      server.sendBookmarks()
      await settle()
    }
    expect(informer.counts.watches).toBe(1)
  })

  test('history gone (410): a new list tells deletions, changes and successors of one name', async () => {
    put('stays', '1')
    put('goes', '1')
    put('changes', '1')
    put('replaced', 'old')
    await begin()
    await informer.synced()
    await watching()
    changes.length = 0
    server.silenceWatches()
    server.remove(kinds.configMap, 'a', 'goes')
    server.remove(kinds.configMap, 'a', 'replaced')
    put('replaced', 'new')
    put('changes', '2')
    put('comes', '1')
    server.objects.compact()
    server.expireWatches()
    await settle()
    expect(
      await advanceUntil(clock, () => informer.counts.lists === 2 && changes.length === 5, {
        limitMs: 10_000,
      }),
    ).toBe(true)
    expect(changes.slice().sort()).toEqual([
      'added comes 1',
      'added replaced new',
      'deleted goes 1',
      'deleted replaced old',
      'updated changes 1>2',
    ])
    expect(changes.indexOf('deleted replaced old')).toBeLessThan(
      changes.indexOf('added replaced new'),
    )
    expect(held()).toEqual(truth())
  })

  test('lists that fail are repeated ever more slowly, and synced only when one came through', async () => {
    server.fail({ effect: { status: 500 }, times: 4, path: /configmaps/ })
    put('x', '1')
    await begin()
    await until(() => server.requests.length === 1)
    await settle()
    expect(informer.hasSynced).toBe(false)
    expect(await advanceUntil(clock, () => informer.hasSynced, { limitMs: 60_000 })).toBe(true)
    // Half of 800, 1600, 3200 and 6400 ms at least.
    expect(clock.nowMs()).toBeGreaterThanOrEqual(6_000)
    expect(informer.counts).toMatchObject({ lists: 5, failures: 4 })
    expect(held()).toEqual({ x: '1' })
  })

  test('a server that takes watches and drops them at once is not run over', async () => {
    server.fail({ effect: 'refused', path: /watch=true/, times: 1_000 })
    await begin()
    await informer.synced()
    await advanceUntil(clock, () => false, { stepMs: 500, limitMs: 60_000 })
    expect(informer.counts.watches).toBeLessThan(15)
    expect(informer.counts.watches).toBeGreaterThan(3)
    server.heal()
    put('x', '1')
    expect(await advanceUntil(clock, () => changes.length === 1, { limitMs: 60_000 })).toBe(true)
  })

  test('a server restored to an earlier state is listed anew after some failed watches', async () => {
    put('x', '1')
    await begin()
    await informer.synced()
    await watching()
    server.fail({ effect: { status: 504, reason: 'Timeout' }, path: /watch=true/, times: 5 })
    server.cutWatches()
    server.remove(kinds.configMap, 'a', 'x')
    server.objects.history.length = 0
    expect(
      await advanceUntil(clock, () => changes.length === 2, { stepMs: 500, limitMs: 120_000 }),
    ).toBe(true)
    expect(changes).toEqual(['added x 1', 'deleted x 1'])
    expect(informer.counts.lists).toBe(2)
  })

  test('through any mixture of faults it ends up with what the server has', async () => {
    const random = seededRandom(21)
    await begin()
    await informer.synced()
    for (let round = 0; round < 300; round++) {
      const name = `c${random.below(8)}`
      if (random.below(4) === 0) server.remove(kinds.configMap, 'a', name)
      else put(name, String(round))
      const fault = random.below(20)
      if (fault === 0) server.cutWatches()
      if (fault === 1) server.silenceWatches()
      if (fault === 2) server.objects.compact()
      if (fault === 3) server.expireWatches()
      if (fault === 4) server.fail({ effect: { status: 429, retryAfterSeconds: 1 }, times: 2 })
      if (fault === 5) server.fail({ effect: { status: 503 }, times: 2 })
      if (fault === 6) server.fail({ effect: 'refused', times: 2 })
      if (fault === 7) server.endWatches()
      if (fault === 8) await clock.advanceBy(WATCH_IDLE_MS_MAX / 4)
      await clock.advanceBy(random.below(2_000))
      await settle()
    }
    server.heal()
    const isRight = () => JSON.stringify(held()) === JSON.stringify(truth())
    const converged = await advanceUntil(clock, isRight, { stepMs: 1_000, limitMs: 150_000 })
    expect(held()).toEqual(truth())
    expect(converged).toBe(true)
    expect(informer.counts.lists).toBeGreaterThan(1)
  })
})
