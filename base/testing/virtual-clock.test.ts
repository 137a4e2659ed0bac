import { describe, expect, test } from '@jest/globals'
import { sleep } from '../clock.ts'
import { seededRandom } from '../random.ts'
import { virtualClock } from './virtual-clock.ts'

describe('virtualClock', () => {
  test('timers run in order of time, and of insertion at the same time', async () => {
    const random = seededRandom(7)
    const clock = virtualClock()
    const ran: { atMs: number; order: number }[] = []
    const expected: { atMs: number; order: number }[] = []
    for (let order = 0; order < 500; order++) {
      const atMs = random.below(40)
      const timer = clock.after(atMs, () => ran.push({ atMs: clock.nowMs(), order }))
      if (random.below(4) === 0) timer.cancel()
      else expected.push({ atMs, order })
    }
    expected.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
    expect(clock.pendingCount).toBe(expected.length)
    await clock.advanceTo(19)
    expect(ran).toEqual(expected.filter(({ atMs }) => atMs <= 19))
    await clock.advanceTo(40)
    expect(ran).toEqual(expected)
    expect(clock.pendingCount).toBe(0)
  })

  test('what promises start between two timers happens between them', async () => {
    const clock = virtualClock()
    const ran: string[] = []
    async function sleeper(name: string): Promise<void> {
      for (let turn = 0; turn < 3; turn++) {
        await sleep(clock, 10)
        for (let hop = 0; hop < 20; hop++) await null
        ran.push(`${name}${turn}@${clock.nowMs()}`)
      }
    }
    void sleeper('a')
    void sleeper('b')
    await clock.advanceTo(25)
    expect(ran).toEqual(['a0@10', 'b0@10', 'a1@20', 'b1@20'])
    expect(await clock.runUntilIdle()).toBe(true)
    expect(ran.slice(4)).toEqual(['a2@30', 'b2@30'])
  })

  test('run ends with its promise, or says that it never will', async () => {
    const clock = virtualClock()
    const late = sleep(clock, 1_000).then(() => 'done')
    await expect(clock.run(late, 999)).rejects.toThrow('nothing left to wait for')
    expect(await clock.run(late)).toBe('done')
    expect(clock.nowMs()).toBe(1_000)
    await expect(clock.run(new Promise(() => {}))).rejects.toThrow('nothing left to wait for')
  })

  test('a cancelled timer never runs, and a timer in the past runs at once', async () => {
    const clock = virtualClock({ startMs: 5, wallStartMs: 100 })
    let ran = 0
    const timer = clock.after(-3, () => ran++)
    clock.after(0, () => timer.cancel())
    clock.after(1, () => ran++).cancel()
    await clock.runUntilIdle()
    expect(ran).toBe(1)
    expect([clock.nowMs(), clock.wallMs()]).toEqual([5, 100])
  })
})
