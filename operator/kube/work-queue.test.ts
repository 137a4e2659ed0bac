import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { drainMicrotasks, virtualClock } from '../../base/testing/virtual-clock.ts'
import { WorkQueue } from './work-queue.ts'

describe('keys', () => {
  test('a key waits once, in the order of first addition', async () => {
    const queue = new WorkQueue(virtualClock())
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key)
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['a', 'b', 'c'])
    expect(queue.counts).toMatchObject({ waiting: 0, processing: 3, addsTotal: 3 })
  })

  test('a key added while a worker has it comes again, once, and only after that worker', async () => {
    const queue = new WorkQueue(virtualClock())
    queue.add('a')
    expect(await queue.take()).toBe('a')
    queue.add('a')
    queue.add('a')
    let second: string | null | undefined
    void queue.take().then((key) => {
      second = key
    })
    await drainMicrotasks()
    expect(second).toBeUndefined()
    queue.done('a')
    await drainMicrotasks()
    expect(second).toBe('a')
    queue.done('a')
    expect(queue.counts).toMatchObject({ waiting: 0, processing: 0 })
  })

  test('no key is ever with two workers, and the last addition is always worked on', async () => {
    const clock = virtualClock()
    const random = seededRandom(11)
    const queue = new WorkQueue(clock)
    const busy = new Set<string>()
    const wanted = new Map<string, number>()
    const seen = new Map<string, number>()
    let overlaps = 0
    async function work(): Promise<void> {
      for (;;) {
        const key = await queue.take()
        if (key === null) return
        if (busy.has(key)) overlaps++
        busy.add(key)
        seen.set(key, wanted.get(key) ?? 0)
        await new Promise<void>((resolve) => clock.after(random.below(9), resolve))
        busy.delete(key)
        queue.done(key)
      }
    }
    const workers = [work(), work(), work()]
    for (let round = 1; round <= 400; round++) {
      const key = `k${random.below(5)}`
      wanted.set(key, round)
      queue.add(key)
      if (random.below(3) === 0) await clock.advanceBy(random.below(6))
    }
    const drained = queue.shutDown()
    await clock.runUntilIdle()
    await drained
    await Promise.all(workers)
    expect(overlaps).toBe(0)
    expect(seen).toEqual(wanted)
  })
})

describe('delays', () => {
  test('of several delays for a key the earliest counts, and the key comes once', async () => {
    const clock = virtualClock()
    const queue = new WorkQueue(clock)
    queue.addAfter('a', 500)
    queue.addAfter('a', 200)
    queue.addAfter('a', 900)
    await clock.advanceTo(199)
    expect(queue.counts).toMatchObject({ waiting: 0, delayed: 1 })
    await clock.advanceTo(200)
    expect(queue.counts).toMatchObject({ waiting: 1, delayed: 0 })
    await clock.advanceTo(1_000)
    expect(queue.counts.addsTotal).toBe(1)
    expect(clock.pendingCount).toBe(0)
  })

  test('failures of a key double its delay up to the limit, until it is forgotten', () => {
    const clock = virtualClock()
    const queue = new WorkQueue(clock, { ratePerSecond: 1000, burst: 1000 })
    const delays = Array.from({ length: 20 }, () => queue.addRateLimited('a'))
    expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40])
    expect(delays[17]).toBe(655_360)
    expect(delays.slice(18)).toEqual([1_000_000, 1_000_000])
    expect(queue.addRateLimited('b')).toBe(5)
    queue.forget('a')
    expect(queue.failureCount('a')).toBe(0)
    expect(queue.addRateLimited('a')).toBe(5)
  })

  test('repetitions of all keys together stay below the rate, after the burst', async () => {
    const clock = virtualClock()
    const queue = new WorkQueue(clock, { burst: 10, ratePerSecond: 10 })
    for (let index = 0; index < 50; index++) queue.addRateLimited(`k${index}`)
    await clock.advanceTo(5)
    expect(queue.counts.waiting).toBe(10)
    await clock.advanceTo(2_005)
    expect(queue.counts.waiting).toBe(30)
    await clock.advanceTo(4_005)
    expect(queue.counts.waiting).toBe(50)
    // The bucket is full again after a second of rest per ten.
    await clock.advanceTo(60_000)
    expect(queue.addRateLimited('k0')).toBe(10)
  })
})

describe('shutting down', () => {
  test('ready keys are worked on, delayed ones are not, and workers end', async () => {
    const clock = virtualClock()
    const queue = new WorkQueue(clock)
    queue.add('a')
    queue.add('b')
    queue.addAfter('late', 10)
    expect(await queue.take()).toBe('a')
    queue.add('a')
    let isDrained = false
    const drained = queue.shutDown().then(() => {
      isDrained = true
    })
    queue.add('new')
    expect(await queue.take()).toBe('b')
    queue.done('b')
    queue.done('a')
    await drainMicrotasks()
    expect(isDrained).toBe(false)
    expect(await queue.take()).toBe('a')
    queue.done('a')
    await drained
    expect(await queue.take()).toBeNull()
    expect(clock.pendingCount).toBe(0)
  })

  test('workers that wait for a key are let go', async () => {
    const queue = new WorkQueue(virtualClock())
    const waiting = [queue.take(), queue.take()]
    await queue.shutDown()
    expect(await Promise.all(waiting)).toEqual([null, null])
  })
})
