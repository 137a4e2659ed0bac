import { describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from './clock.ts'
import { drainMicrotasks, virtualClock } from './testing/virtual-clock.ts'

describe('sleep', () => {
  test('ends when its time is over, not before', async () => {
    const clock = virtualClock()
    let isOver = false
    void sleep(clock, 10).then(() => {
      isOver = true
    })
    await clock.advanceTo(9)
    expect(isOver).toBe(false)
    await clock.advanceTo(10)
    expect(isOver).toBe(true)
  })

  test('ends at once when the signal aborts, before or during it, and leaves no timer', async () => {
    const clock = virtualClock()
    const abort = new AbortController()
    let ended = 0
    void sleep(clock, 10, abort.signal).then(() => ended++)
    expect(clock.pendingCount).toBe(1)
    abort.abort()
    void sleep(clock, 10, abort.signal).then(() => ended++)
    await drainMicrotasks()
    expect(ended).toBe(2)
    expect(clock.pendingCount).toBe(0)
  })

  test('a signal that outlives many sleeps gathers no listeners', async () => {
    const clock = virtualClock()
    const { signal } = new AbortController()
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...parameters: Parameters<typeof add>) => {
      listeners++
      add(...parameters)
    }
    signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
      listeners--
      remove(...parameters)
    }
    for (let round = 0; round < 50; round++) await clock.run(sleep(clock, 5, signal))
    expect(listeners).toBe(0)
  })
})

describe('systemClock', () => {
  test('a cancelled timer does not fire, and cancelling twice is harmless', async () => {
    let fired = ''
    const cancelled = systemClock.after(1, () => {
      fired += 'cancelled'
    })
    cancelled.cancel()
    cancelled.cancel()
    await new Promise<void>((resolve) => {
      systemClock.after(20, () => {
        fired += 'kept'
        resolve()
      })
    })
    expect(fired).toBe('kept')
  })

  test('a delay longer than the machine counts is long, not none', async () => {
    let fired = false
    const timer = systemClock.after(2 ** 40, () => {
      fired = true
    })
    await sleep(systemClock, 20)
    timer.cancel()
    expect(fired).toBe(false)
  })
})
