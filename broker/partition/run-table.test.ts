import { describe, expect, test } from '@jest/globals'
import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import { type Random, seededRandom } from '../../base/random.ts'
import { type Run, RunTable, runOf } from './run-table.ts'

const SAFE = Number.MAX_SAFE_INTEGER

function randomRuns(random: Random, count: number, firstOffset = 0): Run[] {
  const runs: Run[] = []
  let offset = firstOffset
  for (let index = 0; index < count; index++) {
    const endOffset = offset + 1 + random.below(1_000)
    runs.push({
      nodeId: 1 + random.below(5),
      seq: random.below(2 ** 32) * 100,
      position: 64 + random.below(8_000_000),
      sizeBytes: 61 + random.below(1_000_000),
      baseOffset: offset,
      endOffset,
      // A client may say anything.
      maxTimestampMs:
        [-1, 0, SAFE, 1_700_000_000_000 + random.below(1_000_000)][random.below(4)] ?? 0,
    })
    offset = endOffset
  }
  return runs
}

function tableOf(runs: readonly Run[]): RunTable {
  const table = new RunTable()
  for (const run of runs) table.push(run)
  return table
}

function listed(table: RunTable): Run[] {
  return Array.from({ length: table.length }, (_, index) => table.at(index))
}

function decoded(table: RunTable): RunTable {
  const writer = new ByteWriter()
  table.encode(writer)
  const reader = new ByteReader(writer.finish())
  const copy = RunTable.decode(reader)
  expect(reader.remaining).toBe(0)
  return copy
}

describe('RunTable', () => {
  test('holds its runs exactly, through an encoding and in a copy, and takes more after each', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = seededRandom(seed)
      const runs = randomRuns(random, random.below(60), random.below(2 ** 32) * 1_000)
      const table = tableOf(runs)
      expect(listed(table)).toEqual(runs)
      const end = runs[runs.length - 1]?.endOffset ?? 0
      const [more] = randomRuns(random, 1, end) as [Run]
      for (const copy of [decoded(table), table.copy()]) {
        expect(listed(copy)).toEqual(runs)
        copy.push(more)
        expect(listed(copy)).toEqual([...runs, more])
      }
      expect(listed(table)).toEqual(runs)
    }
  })

  test('a copy and its original go on apart', () => {
    const runs = randomRuns(seededRandom(8), 3)
    const table = tableOf(runs)
    const copy = table.copy()
    const [next] = randomRuns(seededRandom(9), 1, runs[2]?.endOffset) as [Run]
    table.push(next)
    copy.push({ ...next, seq: 1 })
    table.push({ ...next, baseOffset: next.endOffset, endOffset: next.endOffset + 1 })
    expect(copy.at(3).seq).toBe(1)
    expect(table.at(3)).toEqual(next)
    expect(copy.length).toBe(4)
  })

  test('finds the run of every offset it holds, and of no other', () => {
    const random = seededRandom(2)
    const runs = randomRuns(random, 40, 500)
    const table = tableOf(runs)
    const end = runs[runs.length - 1]?.endOffset ?? 0
    const found: number[] = []
    const expected: number[] = []
    for (let offset = 490; offset < end + 10; offset++) {
      found.push(table.indexOf(offset))
      expected.push(runs.findIndex((run) => run.baseOffset <= offset && offset < run.endOffset))
    }
    expect(found).toEqual(expected)
    expect(new RunTable().indexOf(0)).toBe(-1)
  })

  test('a gap, an overlap or an empty run never gets in', () => {
    const [first, second] = randomRuns(seededRandom(3), 2) as [Run, Run]
    const table = tableOf([first])
    for (const change of [1, -1]) {
      expect(() => table.push({ ...second, baseOffset: second.baseOffset + change })).toThrow(
        'begins where the last one ended',
      )
    }
    const empty = { ...second, endOffset: second.baseOffset }
    expect(() => table.push(empty)).toThrow('has records')
    expect(listed(table)).toEqual([first])
    expect(() => table.at(1)).toThrow('no run 1')
  })

  test('sums, nodes and times are those of its runs', () => {
    const runs = randomRuns(seededRandom(4), 30)
    const table = tableOf(runs)
    expect(table.sizeBytes).toBe(runs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    expect(table.nodeIds()).toEqual(new Set(runs.map(({ nodeId }) => nodeId)))
    for (const timestampMs of [-5, 0, 1_700_000_000_000, 1_700_000_500_000, SAFE]) {
      expect(table.indexOfTimestamp(timestampMs)).toBe(
        runs.findIndex(({ maxTimestampMs }) => maxTimestampMs >= timestampMs),
      )
    }
  })

  test('a count that lies allocates nothing', () => {
    const writer = new ByteWriter()
    writer.varint(2 ** 40)
    expect(() => RunTable.decode(new ByteReader(writer.finish()))).toThrow('too large')
  })
})

test('a run of batches spans them all', () => {
  const batch = { attributes: 0, producerId: -1, producerEpoch: -1, baseSequence: -1 }
  const run = runOf({ nodeId: 1, seq: 2, position: 64 }, [
    { ...batch, baseOffset: 10, lastOffset: 14, sizeBytes: 100, maxTimestampMs: 7 },
    { ...batch, baseOffset: 15, lastOffset: 15, sizeBytes: 50, maxTimestampMs: 3 },
  ])
  expect(run).toEqual({
    nodeId: 1,
    seq: 2,
    position: 64,
    sizeBytes: 150,
    baseOffset: 10,
    endOffset: 16,
    maxTimestampMs: 7,
  })
})
