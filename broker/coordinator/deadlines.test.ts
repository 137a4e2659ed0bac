import { expect, test } from '@jest/globals'
import type { Clock } from '../../base/clock.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { Deadlines } from './deadlines.ts'

const TICK_MS = 50

test('a deadline fires once, when it is due, and not again', async () => {
  const clock = virtualClock()
  const fired: number[] = []
  const deadline = new Deadlines(clock).create(() => fired.push(clock.nowMs()))
  deadline.set(1_000)
  await clock.advanceBy(10_000)
  expect(fired).toHaveLength(1)
  expect(fired[0]).toBeGreaterThanOrEqual(1_000)
  expect(fired[0]).toBeLessThanOrEqual(1_000 + TICK_MS)
})

test('a deadline may be put off, drawn in, and cancelled', async () => {
  const clock = virtualClock()
  const deadlines = new Deadlines(clock)
  const fired: string[] = []
  const named = (name: string) => deadlines.create(() => fired.push(`${name} ${clock.nowMs()}`))
  const [off, drawn, cancelled] = [named('off'), named('drawn'), named('cancelled')]
  for (const deadline of [off, drawn, cancelled]) deadline.set(5_000)
  await clock.advanceBy(1_000)
  off.set(9_000)
  drawn.set(1_000)
  cancelled.cancel()
  await clock.runUntilIdle()
  expect(fired).toEqual(['drawn 2000', 'off 10000'])
})

test('very many deadlines that heartbeats put off keep one timer', async () => {
  const clock = virtualClock()
  const deadlines = new Deadlines(clock)
  let fired = 0
  const all = Array.from({ length: 5_000 }, () => deadlines.create(() => fired++))
  for (const [at, deadline] of all.entries()) deadline.set(10_000 + (at % 100))
  for (let beat = 0; beat < 20; beat++) {
    await clock.advanceBy(3_000)
    for (const deadline of all) deadline.set(10_000)
    expect(clock.pendingCount).toBe(1)
  }
  expect(fired).toBe(0)
  await clock.advanceBy(10_000 + TICK_MS)
  expect(fired).toBe(all.length)
  expect(clock.pendingCount).toBe(0)
})

test('what expires while another one fires does as it is told by that one', async () => {
  const clock = virtualClock()
  const deadlines = new Deadlines(clock)
  const fired: string[] = []
  const first = deadlines.create(() => {
    fired.push('first')
    second.cancel()
    third.set(1_000)
  })
  const second = deadlines.create(() => fired.push('second'))
  const third = deadlines.create(() => fired.push(`third ${clock.nowMs()}`))
  for (const deadline of [first, second, third]) deadline.set(500)
  await clock.runUntilIdle()
  expect(fired).toEqual(['first', 'third 1500'])
})

test('a process that was paused hears what was sent meanwhile before it calls anybody dead', () => {
  let nowMs = 0
  let due: (() => void) | null = null
  const clock: Clock = {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    after: (_delayMs, callback) => {
      due = callback
      return { cancel: () => undefined }
    },
  }
  const run = (): void => due?.()
  let fired = 0
  const deadline = new Deadlines(clock).create(() => fired++)
  deadline.set(10_000)
  nowMs = 60_000
  run()
  expect(fired).toBe(0)
  deadline.set(10_000)
  nowMs = 61_000
  run()
  expect(fired).toBe(0)
  nowMs = 70_050
  run()
  expect(fired).toBe(1)
})
