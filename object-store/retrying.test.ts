import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import { virtualClock } from '../base/testing/virtual-clock.ts'
import type { Retry } from './create.ts'
import type { RequestEnd } from './instrumented.ts'
import { instrumented } from './instrumented.ts'
import { memoryStore } from './memory.ts'
import { retrying } from './retrying.ts'
import type { ObjectStore, StoreErrorKind } from './store.ts'
import { StoreError } from './store.ts'

/** A store that fails `times` times with `kind` before each kind of call works. */
function failing(kind: StoreErrorKind, times: number): ObjectStore & { calls: number } {
  const inner = memoryStore()
  let left = times
  async function attempt<T>(request: () => Promise<T>): Promise<T> {
    store.calls++
    if (left-- > 0) throw new StoreError(kind, 'k', `scripted ${kind}`)
    return request()
  }
  const store: ObjectStore & { calls: number } = {
    ...inner,
    calls: 0,
    putIfAbsent: (...call) => attempt(() => inner.putIfAbsent(...call)),
    get: (...call) => attempt(() => inner.get(...call)),
    list: (...call) => attempt(() => inner.list(...call)),
    delete: (...call) => attempt(() => inner.delete(...call)),
  }
  return store
}

const reads: Record<string, (store: ObjectStore) => Promise<unknown>> = {
  get: (store) => store.get('k'),
  list: (store) => store.list({ prefix: 'k' }),
  delete: (store) => store.delete(['k']),
}

describe.each(Object.keys(reads))('retrying %s', (operation) => {
  const read = reads[operation] as (store: ObjectStore) => Promise<unknown>

  test.each(['throttled', 'unavailable', 'unknown'] as const)('goes on after %s', async (kind) => {
    const clock = virtualClock()
    const failingStore = failing(kind, 5)
    const retries: Retry[] = []
    const onRetry = (retry: Retry): void => void retries.push(retry)
    const store = retrying(failingStore, { clock, random: seededRandom(1), onRetry })
    await clock.run(read(store))
    expect(failingStore.calls).toBe(6)
    expect(retries.map(({ tries }) => tries)).toEqual([1, 2, 3, 4, 5])
    expect(retries[0]).toMatchObject({ operation, key: 'k', error: { kind } })
  })

  test.each(['denied', 'misconfigured', 'corrupt'] as const)('gives up at %s', async (kind) => {
    const failingStore = failing(kind, 1)
    const store = retrying(failingStore, { clock: virtualClock() })
    await expect(read(store)).rejects.toMatchObject({ kind })
    expect(failingStore.calls).toBe(1)
  })

  test('gives up at the time limit with the last error', async () => {
    const clock = virtualClock()
    const failingStore = failing('unavailable', 1_000)
    const store = retrying(failingStore, { clock, timeLimitMs: 10_000 })
    await expect(clock.run(read(store))).rejects.toMatchObject({ kind: 'unavailable' })
    expect(clock.nowMs()).toBeLessThanOrEqual(10_000)
    expect(clock.nowMs()).toBeGreaterThan(5_000)
    expect(failingStore.calls).toBeGreaterThan(5)
  })

  test('gives up when it is aborted', async () => {
    const clock = virtualClock()
    const controller = new AbortController()
    const store = retrying(failing('unavailable', 1_000), { clock, signal: controller.signal })
    const result = read(store)
    result.catch(() => {})
    await clock.advanceBy(1_000)
    controller.abort()
    await expect(clock.run(result)).rejects.toMatchObject({ kind: 'unavailable' })
    expect(clock.nowMs()).toBe(1_000)
  })
})

test('retrying leaves creates to whoever decides them', async () => {
  const failingStore = failing('unknown', 1)
  const store = retrying(failingStore, { clock: virtualClock() })
  await expect(store.putIfAbsent('k', [])).rejects.toMatchObject({ kind: 'unknown' })
  expect(failingStore.calls).toBe(1)
})

test('instrumented tells of every request, its bytes, its time, and its error', async () => {
  const clock = virtualClock()
  const inner = memoryStore()
  const ends: RequestEnd[] = []
  const slow: ObjectStore = {
    ...inner,
    putIfAbsent: async (key, body) => {
      await clock.advanceBy(7)
      return inner.putIfAbsent(key, body)
    },
    list: async () => {
      throw new StoreError('throttled', '', 'scripted')
    },
    delete: async () => {
      throw new TypeError('scripted bug')
    },
  }
  const store = instrumented(slow, { clock, onRequest: (end) => void ends.push(end) })
  await store.putIfAbsent('k', [Buffer.alloc(10), Buffer.alloc(20)])
  await store.putIfAbsent('k', [Buffer.alloc(10), Buffer.alloc(20)])
  await store.get('k', { start: 5, end: 10 })
  await store.get('absent')
  await expect(store.list({ prefix: '' })).rejects.toMatchObject({ kind: 'throttled' })
  await expect(store.delete(['k'])).rejects.toMatchObject({ name: 'TypeError' })
  expect(ends).toEqual([
    { operation: 'put', durationMs: 7, bytes: 30, errorKind: null },
    { operation: 'put', durationMs: 7, bytes: 30, errorKind: null },
    { operation: 'get', durationMs: 0, bytes: 5, errorKind: null },
    { operation: 'get', durationMs: 0, bytes: 0, errorKind: null },
    { operation: 'list', durationMs: 0, bytes: 0, errorKind: 'throttled' },
    { operation: 'delete', durationMs: 0, bytes: 0, errorKind: 'bug' },
  ])
})
