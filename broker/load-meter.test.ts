import { describe, expect, test } from '@jest/globals'
import { virtualClock } from '../base/testing/virtual-clock.ts'
import { LoadMeter } from './load-meter.ts'

describe('LoadMeter', () => {
  test('a steady load is measured as what it is, and forgotten when it ends', async () => {
    const clock = virtualClock()
    const meter = new LoadMeter(clock)
    const rate = (): number => meter.busiestPartitions()['t/0'] ?? 0
    let last = 0
    for (let second = 0; second < 30; second++) {
      meter.partitionBytes('t/0', 500)
      meter.partitionBytes('t/0', 500)
      meter.total.bytesIn += 1_000
      await clock.advanceBy(1_000)
      expect(rate()).toBeGreaterThanOrEqual(last)
      last = rate()
    }
    expect(last).toBeGreaterThan(950)
    expect(last).toBeLessThanOrEqual(1_000)
    expect(meter.ratesPerSecond.bytesIn).toBeCloseTo(last, -1)
    await clock.advanceBy(120_000)
    expect(meter.busiestPartitions()).toEqual({})
    expect(meter.ratesPerSecond.bytesIn).toBe(0)
  })

  test('how often it is asked changes nothing much', async () => {
    const rates: number[] = []
    for (const stepMs of [10, 100, 1_000, 2_500]) {
      const clock = virtualClock()
      const meter = new LoadMeter(clock)
      for (let atMs = 0; atMs < 20_000; atMs += stepMs) {
        meter.partitionBytes('t/0', stepMs * 10)
        await clock.advanceBy(stepMs)
        meter.sample()
      }
      rates.push(meter.busiestPartitions()['t/0'] ?? 0)
    }
    for (const rate of rates) {
      expect(rate).toBeGreaterThan(9_500)
      expect(rate).toBeLessThan(10_500)
    }
  })

  test('a pause longer than its window counts as a whole', async () => {
    const clock = virtualClock()
    const meter = new LoadMeter(clock)
    meter.total.requests += 6_000
    await clock.advanceBy(60_000)
    meter.sample()
    expect(meter.ratesPerSecond.requests).toBe(100)
  })

  test('tells of those that carry most, of no more than so many', async () => {
    const clock = virtualClock()
    const meter = new LoadMeter(clock)
    for (let partition = 0; partition < 1_000; partition++) {
      meter.partitionBytes(`t/${partition}`, partition * 1_000)
    }
    await clock.advanceBy(10_000)
    const told = Object.entries(meter.busiestPartitions())
    expect(told).toHaveLength(256)
    expect(told.map(([id]) => Number(id.slice(2))).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 256 }, (_, index) => 744 + index),
    )
  })
})
