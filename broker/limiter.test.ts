import { expect, test } from '@jest/globals'
import { Limiter } from './limiter.ts'

test('no more run at once than may, all get their turn in order, also after failures', async () => {
  const limiter = new Limiter(2)
  let running = 0
  let runningMost = 0
  const started: number[] = []
  const task = (index: number) => async () => {
    started.push(index)
    running++
    runningMost = Math.max(runningMost, running)
    for (let turn = 0; turn < index % 3; turn++) await null
    running--
    if (index % 4 === 0) throw new Error(`task ${index}`)
    return index
  }
  const all = Array.from({ length: 20 }, (_, index) => limiter.run(task(index)))
  const outcomes = await Promise.allSettled(all)
  expect(runningMost).toBe(2)
  expect(started).toEqual(Array.from({ length: 20 }, (_, index) => index))
  outcomes.forEach((outcome, index) => {
    expect(outcome.status).toBe(index % 4 === 0 ? 'rejected' : 'fulfilled')
  })
  expect(await limiter.run(async () => 'still there')).toBe('still there')
})

test('tasks that weigh more leave room for fewer, and none waits for ever', async () => {
  const limiter = new Limiter(10)
  let running = 0
  let runningMost = 0
  const weights = [4, 4, 4, 1, 20, 1, 10, 3]
  const started: number[] = []
  const all = weights.map((weight) =>
    limiter.run(async () => {
      started.push(weight)
      running += Math.min(weight, 10)
      runningMost = Math.max(runningMost, running)
      for (let turn = 0; turn < weight; turn++) await null
      running -= Math.min(weight, 10)
    }, weight),
  )
  await Promise.all(all)
  expect(started).toEqual(weights)
  expect(runningMost).toBe(10)
})
