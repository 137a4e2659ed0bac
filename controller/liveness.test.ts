import { expect, test } from '@jest/globals'
import { NodeLiveness } from './liveness.ts'

const SILENCE_MS_MAX = 1_000

function heard(): NodeLiveness {
  const liveness = new NodeLiveness(SILENCE_MS_MAX)
  liveness.expect(1, 0)
  liveness.answered(1, 0)
  return liveness
}

test('a node that never answered is not alive, and dead once it has been silent long enough', () => {
  const liveness = new NodeLiveness(SILENCE_MS_MAX)
  expect(liveness.stateOf(1, 0)).toBe('suspect')
  liveness.expect(1, 500)
  expect(liveness.stateOf(1, 500)).toBe('suspect')
  liveness.expect(1, 1_000)
  expect(liveness.stateOf(1, 1_499)).toBe('suspect')
  expect(liveness.stateOf(1, 1_500)).toBe('dead')
})

test('silence kills, and an answer brings back', () => {
  const liveness = heard()
  expect(liveness.stateOf(1, 999)).toBe('alive')
  expect(liveness.stateOf(1, 1_000)).toBe('dead')
  liveness.answered(1, 1_000)
  expect(liveness.stateOf(1, 1_000)).toBe('alive')
})

test('refusals kill without a wait, but one may come from a node that is only starting', () => {
  const liveness = heard()
  liveness.failed(1, 'refused')
  expect(liveness.stateOf(1, 1)).toBe('suspect')
  liveness.answered(1, 2)
  liveness.failed(1, 'refused')
  expect(liveness.stateOf(1, 3)).toBe('suspect')
  liveness.failed(1, 'refused')
  expect(liveness.stateOf(1, 3)).toBe('dead')
})

test('a missing answer is no refusal', () => {
  const liveness = heard()
  for (let tries = 0; tries < 5; tries++) liveness.failed(1, 'no-answer')
  expect(liveness.stateOf(1, 1)).toBe('alive')
})

test('a watcher that was paused does not take its own silence for that of others', () => {
  const liveness = heard()
  liveness.excuse(60_000)
  expect(liveness.stateOf(1, 60_000)).toBe('alive')
  expect(liveness.stateOf(1, 60_999)).toBe('alive')
  expect(liveness.stateOf(1, 61_000)).toBe('dead')
})
