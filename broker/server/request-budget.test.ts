import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { RequestBudget, type Waiting } from './request-budget.ts'

const BYTES_MAX = 1_000

function setup(): { budget: RequestBudget; changes: boolean[]; waiting: () => Waiting & Told } {
  const changes: boolean[] = []
  const budget = new RequestBudget(
    () => BYTES_MAX,
    (isOver) => changes.push(isOver),
  )
  const waiting = (): Waiting & Told => {
    const made = { count: 0, goOn: () => void made.count++ }
    return made
  }
  return { budget, changes, waiting }
}

interface Told {
  count: number
}

describe('RequestBudget', () => {
  test('below the bound all may have more; over it one may, until its frame has ended', () => {
    const { budget, changes, waiting } = setup()
    const [first, second, third] = [waiting(), waiting(), waiting()]
    expect([first, second].map((each) => budget.mayGrow(each))).toEqual([true, true])
    budget.take(BYTES_MAX + 1)
    const may = [first, second, third, first].map((each) => budget.mayGrow(each))
    expect(may).toEqual([true, false, false, true])
    budget.frameEnded(first, 0)
    expect([second.count, third.count]).toEqual([1, 0])
    expect([budget.mayGrow(second), budget.mayGrow(first)]).toEqual([true, false])
    // Who leaves the queue has no turn.
    budget.frameEnded(third, 0)
    budget.frameEnded(second, 0)
    expect([first.count, third.count]).toEqual([1, 0])
    budget.give(BYTES_MAX)
    expect(changes).toEqual([true, false])
    expect(budget.mayGrow(third)).toBe(true)
  })

  test('a quarter of the bound is for what has grown: over that, only such frames wait', () => {
    const { budget, changes, waiting } = setup()
    const [first, second] = [waiting(), waiting()]
    budget.grow(BYTES_MAX / 4 + 1)
    expect([budget.isOver, budget.isGrownOver]).toEqual([false, true])
    expect([budget.mayGrow(first), budget.mayGrow(second)]).toEqual([true, false])
    expect([budget.isShortFor(first), budget.isShortFor(second)]).toEqual([false, true])
    budget.frameEnded(waiting(), BYTES_MAX / 8)
    expect([second.count, budget.isGrownOver, budget.bytes]).toEqual([1, false, BYTES_MAX / 4 + 1])
    expect(changes).toEqual([])
  })

  test('whoever waits gets its turn, whatever ends in which order', () => {
    const random = seededRandom(3)
    for (let round = 0; round < 50; round++) {
      const { budget, waiting } = setup()
      budget.take(BYTES_MAX * 2)
      const left = new Set(Array.from({ length: 2 + random.below(20) }, waiting))
      const held = new Set([...left].filter((each) => !budget.mayGrow(each)))
      while (left.size > 0) {
        for (const each of held) if (each.count > 0) held.delete(each)
        const goingOn = [...left].filter((each) => !held.has(each))
        expect(goingOn).toHaveLength(1)
        // One that goes on is done, or one that waits is closed.
        const from = random.below(3) > 0 ? goingOn : [...left]
        const ended = from[random.below(from.length)] as Waiting & Told
        left.delete(ended)
        held.delete(ended)
        budget.frameEnded(ended, 0)
      }
    }
  })
})
