import { describe, expect, test } from '@jest/globals'
import { parseMetrics, risen } from './metrics.ts'
import { parseReport } from './producer-performance.ts'
import { renderTable } from './report.ts'

const TOTALS =
  '13312 records sent, 1020.154801 records/sec (1.00 MB/sec), 9.94 ms avg latency, ' +
  '389.00 ms max latency, 9 ms 50th, 19 ms 95th, 51 ms 99th, 63 ms 99.9th.'
const STEADY =
  '8192 steady state records sent, 1016.251085 records/sec (0.99 MB/sec), 8.83 ms avg latency, ' +
  '68.00 ms max latency, 8 ms 50th, 16 ms 95th, 27 ms 99th, 64 ms 99.9th.'
const PROGRESS =
  '5112 records sent, 1022.0 records/sec (1.00 MB/sec), 8.1 ms avg latency, 30.0 ms max latency.'

describe('what other programs print', () => {
  test("the producer's totals are read, with and without its warm-up, and its progress is not", () => {
    expect(parseReport(TOTALS)).toMatchObject({ records: 13_312, latencyMsP99: 51 })
    expect(parseReport(STEADY)).toMatchObject({ records: 8_192, latencyMsMedian: 8 })
    expect(parseReport(PROGRESS)).toBeNull()
  })

  test('metrics are known by name and labels', () => {
    const before = parseMetrics('# HELP a_total x\na_total 3\nb{operation="put",kind="a b"} 1\n')
    const after = parseMetrics('a_total 5\nb{operation="put",kind="a b"} 1.5e2\nc 1\n')
    expect(risen(before, after, 'a_total')).toBe(2)
    expect(risen(before, after, 'b{operation="put",kind="a b"}')).toBe(149)
    expect(risen(before, after, 'c')).toBe(1)
    expect(() => risen(before, after, 'd')).toThrow('no metric d')
  })

  test('the columns of a table begin one below the other', () => {
    const lines = renderTable([
      ['a', 'b'],
      ['long', '1'],
      ['x', '22'],
    ]).split('\n')
    const columns = [lines[0]?.indexOf('b'), lines[2]?.indexOf('1'), lines[3]?.indexOf('22')]
    expect(new Set(columns).size).toBe(1)
  })
})
