import { describe, expect, test } from '@jest/globals'
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

test('the time in which nobody asks a node is no silence', () => {
  const liveness = heard()
  liveness.restMs = 3_000
  expect(liveness.isWell(1, 3_100)).toBe(true)
  expect(liveness.isWell(1, 3_900)).toBe(false)
  expect(liveness.stateOf(1, 3_900)).toBe('alive')
  expect(liveness.dead(3_999)).toEqual([])
  expect(liveness.dead(4_000)).toEqual([1])
})

describe('dead', () => {
  function watching(states: Readonly<Record<number, 'heard' | 'silent' | 'refusing'>>): number[] {
    const liveness = new NodeLiveness(SILENCE_MS_MAX)
    for (const [nodeId, state] of Object.entries(states)) {
      liveness.answered(Number(nodeId), state === 'heard' ? 1_000 : 0)
      if (state !== 'refusing') continue
      for (let tries = 0; tries < 2; tries++) liveness.failed(Number(nodeId), 'refused')
    }
    return liveness.dead(SILENCE_MS_MAX)
  }

  test('are the silent ones, as long as they are no more than half of all', () => {
    expect(watching({ 1: 'silent' })).toEqual([1])
    expect(watching({ 1: 'silent', 2: 'heard' })).toEqual([1])
    expect(watching({ 1: 'silent', 2: 'silent', 3: 'heard' })).toEqual([1, 2])
    expect(watching({ 1: 'heard', 2: 'heard' })).toEqual([])
  })

  test('are not the many that one does not hear: not before a long time', () => {
    expect(watching({ 1: 'silent', 2: 'silent' })).toEqual([])
    expect(watching({ 1: 'silent', 2: 'silent', 3: 'silent', 4: 'heard' })).toEqual([])
    const liveness = new NodeLiveness(SILENCE_MS_MAX)
    for (const nodeId of [1, 2, 3]) liveness.answered(nodeId, 0)
    expect(liveness.dead(liveness.isolatedSilenceMsMax - 1)).toEqual([])
    expect(liveness.dead(liveness.isolatedSilenceMsMax)).toEqual([1, 2, 3])
  })

  test('are all who refuse, however many: that is no silence', () => {
    expect(watching({ 1: 'refusing', 2: 'refusing', 3: 'refusing' })).toEqual([1, 2, 3])
    expect(watching({ 1: 'refusing', 2: 'silent', 3: 'silent' })).toEqual([1])
  })
})

test('nobody is dead whom nobody watches', () => {
  const liveness = heard()
  liveness.forgetAll()
  expect(liveness.dead(1_000_000)).toEqual([])
  expect(liveness.stateOf(1, 1_000_000)).toBe('suspect')
})

test('a watcher that was paused does not take its own silence for that of others', () => {
  const liveness = heard()
  liveness.excuse(60_000)
  expect(liveness.stateOf(1, 60_000)).toBe('alive')
  expect(liveness.stateOf(1, 60_999)).toBe('alive')
  expect(liveness.stateOf(1, 61_000)).toBe('dead')
})
