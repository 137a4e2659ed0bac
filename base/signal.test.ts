import { describe, expect, test } from '@jest/globals'
import { Signal } from './signal.ts'
import { drainMicrotasks, virtualClock } from './testing/virtual-clock.ts'

describe('Signal', () => {
  test('wakes everybody who waits, once, and leaves no timer behind', async () => {
    const clock = virtualClock()
    const signal = new Signal()
    const woken: string[] = []
    const wait = (name: string) => signal.wait(clock, 100).then(() => woken.push(name))
    void wait('a')
    void wait('b')
    signal.notify()
    void wait('c')
    await drainMicrotasks()
    expect(woken).toEqual(['a', 'b'])
    expect(clock.pendingCount).toBe(1)
    signal.notify()
    await drainMicrotasks()
    expect(woken).toEqual(['a', 'b', 'c'])
    expect(clock.pendingCount).toBe(0)
  })

  test('whoever is not notified goes on after the time-out, and is not woken again', async () => {
    const clock = virtualClock()
    const signal = new Signal()
    let woken = 0
    void signal.wait(clock, 100).then(() => woken++)
    await clock.advanceTo(99)
    expect(woken).toBe(0)
    await clock.advanceTo(100)
    expect(woken).toBe(1)
    signal.notify()
    await drainMicrotasks()
    expect(woken).toBe(1)
  })

  test('a notification that nobody waits for is not kept for later', async () => {
    const clock = virtualClock()
    const signal = new Signal()
    signal.notify()
    let woken = false
    void signal.wait(clock, 100).then(() => {
      woken = true
    })
    await clock.advanceTo(50)
    expect(woken).toBe(false)
  })

  test('waiting again from inside the waking waits for the next time', async () => {
    const clock = virtualClock()
    const signal = new Signal()
    let rounds = 0
    const loop = async (): Promise<void> => {
      for (; rounds < 5; rounds++) await signal.wait(clock, 1_000)
    }
    void loop()
    for (let round = 1; round <= 3; round++) {
      signal.notify()
      await drainMicrotasks()
      expect(rounds).toBe(round)
    }
  })
})
