import { describe, expect, test } from '@jest/globals'
import { OrderGate } from './order-gate.ts'
import { seededRandom } from './random.ts'

describe('OrderGate', () => {
  test('nothing starts before all that came earlier are done, and nothing is forgotten', () => {
    const random = seededRandom(3)
    const gate = new OrderGate()
    const started: number[] = []
    const open: (() => void)[] = []
    for (let index = 0; index < 1_000; index++) {
      gate.run((done) => {
        expect(open).toEqual([])
        started.push(index)
        if (random.below(2) === 0) done()
        else open.push(done)
      })
      if (random.below(3) === 0) open.pop()?.()
    }
    while (open.length > 0) open.pop()?.()
    expect(started).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
  })

  test('what need not wait starts in the same step', () => {
    const gate = new OrderGate()
    const started: string[] = []
    gate.run((done) => {
      started.push('first')
      done()
    })
    gate.run(() => started.push('second'))
    gate.run(() => started.push('third'))
    expect(started).toEqual(['first', 'second'])
  })

  test('a client that has sent a great many requests does not exhaust the stack', () => {
    const gate = new OrderGate()
    let open: (() => void) | null = null
    gate.run((done) => {
      open = done
    })
    let count = 0
    for (let index = 0; index < 50_000; index++) {
      gate.run((done) => {
        count++
        done()
      })
    }
    ;(open as (() => void) | null)?.()
    expect(count).toBe(50_000)
  })

  test('done twice lets nobody in early', () => {
    const gate = new OrderGate()
    let first: (() => void) | null = null
    gate.run((done) => {
      first = done
    })
    const started: string[] = []
    gate.run(() => started.push('second'))
    gate.run(() => started.push('third'))
    const done = first as unknown as () => void
    done()
    expect(done).toThrow('once')
    expect(started).toEqual(['second'])
  })
})
