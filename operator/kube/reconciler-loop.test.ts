import { beforeEach, describe, expect, test } from '@jest/globals'
import { sleep } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { Metrics } from '../../base/metrics.ts'
import { type VirtualClock, virtualClock } from '../../base/testing/virtual-clock.ts'
import {
  type ReconcileResult,
  ReconcilerLoop,
  type ReconcilerLoopOptions,
} from './reconciler-loop.ts'

let clock: VirtualClock
let metrics: Metrics

function loopOf(
  reconcile: ReconcilerLoopOptions['reconcile'],
  options: Partial<ReconcilerLoopOptions> = {},
): ReconcilerLoop {
  const log = silentLogger
  const base = { clock, log, metrics, name: 'test', workerCount: 2, reconcile }
  const loop = new ReconcilerLoop({ ...base, ...options })
  loop.start()
  return loop
}

async function total(result: string): Promise<number> {
  const text = await metrics.exposition()
  const line = new RegExp(`reconcile_total\\{result="${result}"\\} (\\d+)`).exec(text)
  return Number(line?.[1] ?? 0)
}

beforeEach(() => {
  clock = virtualClock()
  metrics = new Metrics()
})

describe('results of a pass', () => {
  test('done is left alone, requeueAfterMs comes again then', async () => {
    const passes: number[] = []
    const loop = loopOf(async () => {
      passes.push(clock.nowMs())
      return passes.length < 3 ? { type: 'done', requeueAfterMs: 700 } : { type: 'done' }
    })
    loop.queue.add('a')
    await clock.advanceTo(60_000)
    expect(passes).toEqual([0, 700, 1_400])
    expect([await total('requeue_after'), await total('success')]).toEqual([2, 1])
    await loop.stop()
  })

  test('failures and exceptions come again with growing waits, success resets them', async () => {
    const passes: number[] = []
    const loop = loopOf(async () => {
      passes.push(clock.nowMs())
      if (passes.length === 2) throw new Error('a bug')
      if (passes.length < 4) return { type: 'failed', error: new Error('not yet') }
      return { type: 'done' }
    })
    loop.queue.add('a')
    await clock.advanceTo(1_000)
    expect(passes).toEqual([0, 5, 15, 35])
    expect(loop.queue.failureCount('a')).toBe(0)
    expect([await total('error'), await total('success')]).toEqual([3, 1])
    await loop.stop()
  })

  test('a terminal error is not tried again until somebody adds the key', async () => {
    let passes = 0
    const loop = loopOf(async () => {
      passes++
      return { type: 'terminal', error: new Error('wrong spec') }
    })
    loop.queue.add('a')
    await clock.advanceTo(3_600_000)
    expect(passes).toBe(1)
    loop.queue.add('a')
    await clock.advanceBy(0)
    expect(passes).toBe(2)
    expect(await total('terminal_error')).toBe(2)
    await loop.stop()
  })
})

describe('time and workers', () => {
  test('a pass that takes too long is told so, keeps its key until it is over, and fails', async () => {
    let inside = 0
    let insideMost = 0
    const aborts: number[] = []
    const loop = loopOf(
      async (_key, signal): Promise<ReconcileResult> => {
        insideMost = Math.max(insideMost, ++inside)
        signal.addEventListener('abort', () => aborts.push(clock.nowMs()))
        // Slow to heed it.
        await sleep(clock, 1_500)
        inside--
        return { type: 'done' }
      },
      { timeoutMs: 1_000 },
    )
    loop.queue.add('a')
    await clock.advanceTo(1_200)
    loop.queue.add('a')
    await clock.advanceTo(2_900)
    expect(aborts).toEqual([1_000, 2_500])
    expect(insideMost).toBe(1)
    expect(await total('timeout')).toBe(1)
    expect(loop.timeoutCount).toBe(2)
    await clock.run(loop.stop())
  })

  test('different keys are worked on side by side, up to the number of workers', async () => {
    let inside = 0
    let insideMost = 0
    const loop = loopOf(async () => {
      insideMost = Math.max(insideMost, ++inside)
      await sleep(clock, 10)
      inside--
      return { type: 'done' }
    })
    for (const key of ['a', 'b', 'c', 'd', 'e']) loop.queue.add(key)
    await clock.advanceTo(100)
    expect(insideMost).toBe(2)
    expect(await total('success')).toBe(5)
    await loop.stop()
  })

  test('stopping waits for passes; stopping at once aborts them and begins no other', async () => {
    const begun: string[] = []
    const aborted: string[] = []
    const reconcile: ReconcilerLoopOptions['reconcile'] = async (key, signal) => {
      begun.push(key)
      await sleep(clock, 500, signal)
      if (signal.aborted) aborted.push(key)
      return { type: 'done' }
    }
    const calm = loopOf(reconcile, { workerCount: 1, name: 'calm' })
    calm.queue.add('a')
    calm.queue.add('b')
    await clock.run(calm.stop())
    expect([begun, aborted]).toEqual([['a', 'b'], []])
    expect(clock.nowMs()).toBe(1_000)
    const urgent = loopOf(reconcile, { workerCount: 1, name: 'urgent' })
    urgent.queue.add('c')
    urgent.queue.add('d')
    await clock.advanceBy(100)
    await clock.run(urgent.stop({ isUrgent: true }))
    expect([begun, aborted]).toEqual([['a', 'b', 'c'], ['c']])
    expect(clock.pendingCount).toBe(0)
  })
})
