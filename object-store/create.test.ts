import { describe, expect, test } from '@jest/globals'
import { sleep } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { virtualClock } from '../base/testing/virtual-clock.ts'
import type { Retry } from './create.ts'
import { createDecided } from './create.ts'
import type { ObjectIdentity } from './header.ts'
import { encodeHeader, objectKind } from './header.ts'
import { memoryStore } from './memory.ts'
import type { Body, ObjectStore, StoreErrorKind } from './store.ts'
import { StoreError } from './store.ts'

const KEY = 'wal/ab/7/00000000000000000042'

function identity(nodeId: number, nonce = nodeId): ObjectIdentity {
  return { nodeId, seq: 42, nonce: Buffer.alloc(16, nonce) }
}

function bodyOf(writer: ObjectIdentity): Body {
  return [encodeHeader(objectKind.walData, writer), Buffer.from(`data of ${writer.nodeId}`)]
}

const failure = (kind: StoreErrorKind): StoreError => new StoreError(kind, KEY, `scripted ${kind}`)

type Put = (inner: ObjectStore, body: Body) => Promise<'created' | 'exists'>
type Get = (inner: ObjectStore) => Promise<Buffer | null>

const fails = (kind: StoreErrorKind) => async (): Promise<never> => {
  throw failure(kind)
}
/** The object is written, but the answer is lost on its way. */
const landsUnanswered: Put = async (inner, body) => {
  await inner.putIfAbsent(KEY, body)
  throw failure('unknown')
}
const foreign = bodyOf(identity(99))

/** A memory store whose first calls follow a script; what comes after it works. */
function scripted(script: { puts?: Put[]; gets?: Get[] }) {
  const inner = memoryStore()
  const puts = [...(script.puts ?? [])]
  const gets = [...(script.gets ?? [])]
  const sent: Buffer[] = []
  const store: ObjectStore = {
    ...inner,
    putIfAbsent(key, body) {
      sent.push(Buffer.concat(body))
      const put = puts.shift()
      return put ? put(inner, body) : inner.putIfAbsent(key, body)
    },
    get(key, range) {
      const get = gets.shift()
      return get ? get(inner) : inner.get(key, range)
    },
  }
  return { store, inner, sent, isPlayed: () => puts.length + gets.length === 0 }
}

type Script = ReturnType<typeof scripted>

function start(script: Script, writer = identity(7), signal?: AbortSignal) {
  const clock = virtualClock()
  const retries: Retry[] = []
  const random = seededRandom(1)
  const onRetry = (retry: Retry): void => void retries.push(retry)
  const options = { clock, random, signal, onRetry }
  const outcome = createDecided(script.store, KEY, bodyOf(writer), options)
  outcome.catch(() => {})
  return { clock, retries, outcome }
}

async function finish(script: Script, writer = identity(7)) {
  const { clock, retries, outcome } = start(script, writer)
  const result = await clock.run(outcome)
  expect(script.isPlayed()).toBe(true)
  // Whatever happened, only the same bytes may ever have been sent to the key.
  const body = Buffer.concat(bodyOf(writer))
  expect(script.sent.every((bytes) => bytes.equals(body))).toBe(true)
  return { result, retries, clock }
}

const written = { outcome: 'written' }
const lostTo = (nodeId: number) => ({
  outcome: 'lost',
  winner: expect.objectContaining({ nodeId, seq: 42, nonce: Buffer.alloc(16, nodeId) }),
})

describe('what decides', () => {
  test('created at once is written', async () => {
    const script = scripted({})
    expect((await finish(script)).result).toEqual(written)
    expect(script.sent).toHaveLength(1)
  })

  test('an own object whose answer was lost is written', async () => {
    const script = scripted({ puts: [landsUnanswered] })
    expect((await finish(script)).result).toEqual(written)
    expect(script.sent).toHaveLength(2)
  })

  test('a foreign object is lost, and the winner is told', async () => {
    const script = scripted({})
    await script.inner.putIfAbsent(KEY, foreign)
    expect((await finish(script)).result).toEqual(lostTo(99))
    expect(String(await script.inner.get(KEY))).toContain('data of 99')
  })

  test('a foreign object that came before one’s own unanswered try is lost', async () => {
    const late: Put = async (inner) => {
      await inner.putIfAbsent(KEY, foreign)
      throw failure('unknown')
    }
    expect((await finish(scripted({ puts: [late] }))).result).toEqual(lostTo(99))
  })

  test('an object of the same node and seq with another nonce is somebody else’s', async () => {
    const script = scripted({})
    await script.inner.putIfAbsent(KEY, bodyOf(identity(7, 8)))
    const { result } = await finish(script, identity(7, 9))
    expect(result).toMatchObject({ outcome: 'lost', winner: { nonce: Buffer.alloc(16, 8) } })
  })

  test('a try that timed out and lands late is found by the next one', async () => {
    const clock = virtualClock()
    const inner = memoryStore()
    let tries = 0
    const store: ObjectStore = {
      ...inner,
      async putIfAbsent(key, body) {
        if (tries++ > 0) return inner.putIfAbsent(key, body)
        clock.after(20, () => void inner.putIfAbsent(key, body))
        throw failure('unknown')
      },
    }
    const outcome = createDecided(store, KEY, bodyOf(identity(7)), { clock })
    expect(await clock.run(outcome)).toEqual(written)
    expect(tries).toBe(2)
  })

  test('what is no object of ours is corrupt', async () => {
    const script = scripted({})
    await script.inner.putIfAbsent(KEY, [Buffer.alloc(100, 'x')])
    await expect(finish(script)).rejects.toMatchObject({ kind: 'corrupt', key: KEY })
  })
})

describe('what does not decide', () => {
  test('conflicts are tried again, soon', async () => {
    const puts = Array.from({ length: 4 }, () => fails('conflict'))
    const { result, clock } = await finish(scripted({ puts }))
    expect(result).toEqual(written)
    expect(clock.nowMs()).toBeLessThan(200)
  })

  test.each(['unknown', 'unavailable', 'throttled'] as const)(
    '%s is tried again, at growing and bounded intervals',
    async (kind) => {
      const { result, retries } = await finish(
        scripted({ puts: Array.from({ length: 40 }, () => fails(kind)) }),
      )
      expect(result).toEqual(written)
      expect(retries).toHaveLength(40)
      const delays = retries.map(({ delayMs }) => delayMs)
      expect(Math.max(...delays)).toBeLessThanOrEqual(2_001)
      expect(delays[0]).toBeLessThanOrEqual(51)
      expect(Math.min(...delays.slice(10))).toBeGreaterThanOrEqual(1_000)
      expect(new Set(delays.slice(10)).size).toBeGreaterThan(1)
      expect(retries[39]).toMatchObject({ operation: 'put', key: KEY, error: { kind } })
    },
  )

  test('while the object cannot be read nobody has lost', async () => {
    const kinds = ['unavailable', 'throttled', 'unknown'] as const
    const gets = Array.from({ length: 30 }, (_, index) => fails(kinds[index % 3] as StoreErrorKind))
    const mine = await finish(scripted({ puts: [landsUnanswered], gets }))
    expect(mine.result).toEqual(written)
    const script = scripted({ gets })
    await script.inner.putIfAbsent(KEY, foreign)
    const theirs = await finish(script)
    expect(theirs.result).toEqual(lostTo(99))
    expect(theirs.retries.every(({ operation }) => operation === 'get')).toBe(true)
    // It is there: to send all of it again would be a waste.
    expect(script.sent).toHaveLength(1)
  })

  test('an object that exists and cannot be found is created again', async () => {
    const gone: Put = async () => 'exists'
    const script = scripted({ puts: [gone] })
    expect((await finish(script)).result).toEqual(written)
    expect(await script.inner.get(KEY)).not.toBeNull()
  })
})

describe('what ends it', () => {
  test.each(['denied', 'misconfigured', 'corrupt'] as const)('%s is thrown', async (kind) => {
    const script = scripted({ puts: [fails('unknown'), fails(kind)] })
    await expect(finish(script)).rejects.toMatchObject({ name: 'StoreError', kind })
    const reading = scripted({ puts: [landsUnanswered], gets: [fails(kind)] })
    await expect(finish(reading)).rejects.toMatchObject({ name: 'StoreError', kind })
  })

  test('an abort before the start sends nothing', async () => {
    const script = scripted({})
    const { clock, outcome } = start(script, identity(7), AbortSignal.abort())
    await expect(clock.run(outcome)).rejects.toMatchObject({ kind: 'unknown', key: KEY })
    expect(script.sent).toHaveLength(0)
  })

  test('an abort between two tries', async () => {
    const script = scripted({ puts: Array.from({ length: 99 }, () => fails('unavailable')) })
    const controller = new AbortController()
    const { clock, outcome, retries } = start(script, identity(7), controller.signal)
    await clock.advanceBy(5_000)
    const count = retries.length
    expect(count).toBeGreaterThan(3)
    controller.abort()
    await expect(clock.run(outcome)).rejects.toMatchObject({ kind: 'unknown' })
    expect(clock.nowMs()).toBe(5_000)
    expect(clock.pendingCount).toBe(0)
    expect(retries).toHaveLength(count)
  })

  test.each([
    ['that never answers', new Promise<never>(() => {})],
    ['that fails', Promise.reject(failure('throttled'))],
  ])('an abort during a request %s', async (_, request) => {
    request.catch(() => {})
    const script = scripted({ puts: [() => request] })
    const controller = new AbortController()
    const { clock, outcome } = start(script, identity(7), controller.signal)
    controller.abort(new Error('fenced'))
    await expect(clock.run(outcome)).rejects.toMatchObject({
      kind: 'unknown',
      cause: { message: 'fenced' },
    })
  })
})

/** A store in which requests are slow, fail, or land though they seem to fail. */
function trouble(inner: ObjectStore, clock: ReturnType<typeof virtualClock>, seed: number) {
  const random = seededRandom(seed)
  const pause = () => sleep(clock, random.below(300))
  async function shaky<T>(request: () => Promise<T>): Promise<T> {
    await pause()
    const dice = random.below(10)
    if (dice === 0) throw failure('throttled')
    if (dice === 1) throw failure('conflict')
    if (dice === 2) throw failure('unknown')
    if (dice === 3) {
      // Told as failed, and carried out much later.
      clock.after(random.below(5_000), () => void request())
      throw failure('unknown')
    }
    const answer = await request()
    await pause()
    if (dice === 4) throw failure('unknown')
    return answer
  }
  return {
    ...inner,
    putIfAbsent: (key: string, body: Body) => shaky(() => inner.putIfAbsent(key, body)),
    get: (...call: Parameters<ObjectStore['get']>) => shaky(() => inner.get(...call)),
  }
}

test('of many writers in trouble exactly one is told that it wrote, and it did', async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const clock = virtualClock()
    const inner = memoryStore()
    const store = trouble(inner, clock, seed)
    const writers = Array.from({ length: 5 }, (_, index) => identity(index + 1))
    const outcomes = await clock.run(
      Promise.all(
        writers.map((writer) =>
          createDecided(store, KEY, bodyOf(writer), { clock, random: seededRandom(seed) }),
        ),
      ),
    )
    await clock.runUntilIdle()
    const winners = writers.filter((_, index) => outcomes[index]?.outcome === 'written')
    const found = String((await inner.get(KEY))?.subarray(64))
    expect({ seed, count: winners.length, found }).toEqual({
      ...{ seed, count: 1, found: `data of ${winners[0]?.nodeId}` },
    })
    for (const outcome of outcomes) {
      if (outcome.outcome === 'lost') expect(outcome.winner.nodeId).toBe(winners[0]?.nodeId)
    }
  }
})
