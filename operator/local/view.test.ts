import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ESC, withoutStyles } from './ansi.ts'
import type { FleetMember } from './fleet-member.ts'
import { renderView, type ViewModel } from './view.ts'

function memberOf(nodeId: number, rest: Partial<FleetMember> = {}): FleetMember {
  const endpoint = { host: '127.0.0.1', port: 1 }
  return {
    sequence: nodeId,
    process: { pid: 1, logFile: '', terminate() {}, kill() {} },
    startedAtMs: 0,
    state: 'active',
    readyAtMs: 0,
    drainStartedAtMs: null,
    addresses: { nodeId, kafka: endpoint, admin: endpoint },
    heardAtMs: 75_000,
    deadline: null,
    load: {
      nodeId,
      state: 'active',
      partitions: 4,
      bytesInPerSecond: 2_500_000,
      bytesOutPerSecond: 12_340_000,
      requestsPerSecond: 99.6,
      eventLoopUtilization: 0.426,
      walBacklogBytes: 8_400_000,
      saturation: 0.25,
      movesIn: 0,
      movesOut: 0,
      movesMsLast: 41,
      clusterPartitions: 12,
      controller: nodeId === 1,
    },
    ...rest,
  }
}

function modelOf(members: readonly FleetMember[]): ViewModel {
  return {
    name: 'dev',
    bootstrap: '127.0.0.1:9092',
    store: '/a/rather/long/path/to/the/data',
    nowMs: 75_900,
    startedAtMs: 0,
    members,
    desired: 3,
    bounds: { min: 1, max: 4 },
    why: 'network 14.8 MB/s per broker, target 40 MB/s: asks for 2, waits for its window',
    scaleEvents: [{ time: '12:00:00', from: 1, to: 3, why: 'network 100 MB/s per broker' }],
    moves: { count: 6, lastMs: 41 },
    notes: [],
  }
}

const wide = { columns: 120, rows: 40, color: false }

describe('the view', () => {
  test('shows each broker, its load, and the totals', () => {
    const starting = memberOf(0, { addresses: null, load: null, state: 'starting' })
    const lines = renderView(modelOf([memberOf(1), memberOf(2), starting]), wide)
    expect(lines.map((line) => line.trimEnd())).toEqual([
      'dev  127.0.0.1:9092  /a/rather/long/path/to/the/data  up 1 m 15 s',
      'brokers 2 of 3 (1 to 4)  network 14.8 MB/s per broker, target 40 MB/s: asks for 2, ' +
        'waits for its window',
      '',
      '  node     state  partitions   in MB/s  out MB/s  requests/s   loop  unwritten       age',
      '     1  active *           4      2.50      12.3         100   43 %     8.4 MB  1 m 15 s',
      '     2    active           4      2.50      12.3         100   43 %     8.4 MB  1 m 15 s',
      '     -  starting           -         -         -           -      -          -  1 m 15 s',
      ' total                     8      5.00      24.7         199           16.8 MB',
      '',
      '6 moves (the last took 41 ms)   * runs the controller',
      '12:00:00  1 → 3  network 100 MB/s per broker',
    ])
  })

  test('tells a broker that does not answer from one that does', () => {
    const members = [memberOf(1), memberOf(2, { heardAtMs: 60_000 })]
    const lines = renderView(modelOf(members), wide)
    expect(lines.filter((line) => line.includes('silent'))).toHaveLength(1)
  })

  test('fits any terminal, with or without color', () => {
    const size = fc.record({
      columns: fc.integer({ min: 20, max: 200 }),
      rows: fc.integer({ min: 5, max: 60 }),
      color: fc.boolean(),
    })
    fc.assert(
      fc.property(size, fc.nat(40), (viewSize, count) => {
        const members = Array.from({ length: count }, (_, index) => memberOf(index))
        const lines = renderView(modelOf(members), viewSize)
        expect(lines.length).toBeLessThanOrEqual(viewSize.rows)
        for (const line of lines) {
          expect([...withoutStyles(line)].length).toBeLessThanOrEqual(viewSize.columns)
        }
      }),
    )
  })

  test('color changes nothing but the color', () => {
    const model = modelOf([memberOf(1), memberOf(2, { state: 'draining' })])
    const colored = renderView(model, { ...wide, color: true })
    expect(colored.map((line) => withoutStyles(line))).toEqual(renderView(model, wide))
    expect(colored.join('')).toContain(ESC)
  })

  test('says how many brokers do not fit', () => {
    const members = Array.from({ length: 50 }, (_, index) => memberOf(index))
    const text = renderView(modelOf(members), { ...wide, rows: 20 }).join('\n')
    const shown = text.match(/ active /g)?.length ?? 0
    expect(text).toContain(`and ${50 - shown} more`)
  })

  test('a narrow terminal keeps what matters most', () => {
    const [, , , titles] = renderView(modelOf([memberOf(1)]), { ...wide, columns: 40 })
    expect(titles?.trim().split(/ {2,}/)).toEqual(['node', 'state', 'partitions', 'in MB/s'])
  })
})
