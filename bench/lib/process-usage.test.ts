import { describe, expect, test } from '@jest/globals'
import {
  cpuSecondsOf,
  forgetPeak,
  machineSeconds,
  mainThreadSecondsOf,
  parseCpuSeconds,
  peakResidentBytesOf,
  residentBytesOf,
} from './process-usage.ts'

function spin(ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

describe('process usage', () => {
  test('a program name with spaces and brackets does not shift the fields', () => {
    const stat = '42 (a ) (b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0'
    expect(parseCpuSeconds(stat)).toEqual({ user: 2.5, system: 0.5, total: 3 })
  })

  test('work shows up in the process, in its main thread, and in the machine', () => {
    const { pid } = process
    const before = [cpuSecondsOf(pid).total, mainThreadSecondsOf(pid), machineSeconds().busy]
    spin(300)
    const after = [cpuSecondsOf(pid).total, mainThreadSecondsOf(pid), machineSeconds().busy]
    for (const [index, seconds] of after.entries()) {
      expect(seconds).toBeGreaterThan(before[index] as number)
    }
    expect(machineSeconds().all).toBeGreaterThan(machineSeconds().busy)
  })

  test('the peak is what was in use at once, and begins anew when it is forgotten', () => {
    const { pid } = process
    forgetPeak(pid)
    const before = peakResidentBytesOf(pid)
    expect(before).toBeGreaterThanOrEqual(0.9 * residentBytesOf(pid))
    const bytes = Buffer.alloc(64 * 1024 * 1024, 1)
    expect(peakResidentBytesOf(pid) - before).toBeGreaterThan(bytes.length / 2)
  })

  test('resident memory counts bytes, not pages', () => {
    expect(residentBytesOf(process.pid)).toBeGreaterThan(10 * 1024 * 1024)
  })
})
