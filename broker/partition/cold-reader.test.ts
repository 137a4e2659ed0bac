import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { walKey } from '../../metadata/keys.ts'
import { memoryStore } from '../../object-store/memory.ts'
import type { ByteRange, ObjectStore } from '../../object-store/store.ts'
import { baseOffset, batchBytes, lastOffset } from '../protocol/batch-header.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { batchesOf, ColdReader } from './cold-reader.ts'
import { type Run, RunTable } from './run-table.ts'

const NODE = 2

interface Stored {
  readonly store: ObjectStore
  readonly runs: RunTable
  /** All batches: their first and last offset and size. */
  readonly batches: readonly { base: number; last: number; sizeBytes: number }[]
  readonly gets: { key: string; range: ByteRange | undefined }[]
}

/** Runs of a few batches each, in objects with something before and behind them. */
async function stored(runCount: number, seed = 1, firstOffset = 0): Promise<Stored> {
  const random = seededRandom(seed)
  const inner = memoryStore()
  const runs = new RunTable()
  const batches: Stored['batches'][number][] = []
  let offset = firstOffset
  for (let seq = 0; seq < runCount; seq++) {
    const pieces: Buffer[] = []
    const base = offset
    for (let count = 1 + random.below(4); count > 0; count--) {
      const records = Array.from({ length: 1 + random.below(5) }, () => {
        return { key: null, value: random.bytes(random.below(200)), timestamp: 1 }
      })
      const batch = buildBatch(records, { baseOffset: offset })
      pieces.push(batch)
      const last = offset + records.length - 1
      batches.push({ base: offset, last, sizeBytes: batch.length })
      offset = last + 1
    }
    const bytes = Buffer.concat(pieces)
    const position = 64 + random.below(100)
    const object = [Buffer.alloc(position, 9), bytes, Buffer.alloc(30, 9)]
    await inner.putIfAbsent(walKey(NODE, seq), object)
    const place = { nodeId: NODE, seq, position, sizeBytes: bytes.length, maxTimestampMs: 1 }
    runs.push({ ...place, baseOffset: base, endOffset: offset })
  }
  const gets: Stored['gets'] = []
  const store: ObjectStore = {
    ...inner,
    get(key, range) {
      gets.push({ key, range })
      return inner.get(key, range)
    },
  }
  return { store, runs, batches, gets }
}

/** The batches in what was read. */
function batchesIn(pieces: readonly Buffer[]): { base: number; last: number; sizeBytes: number }[] {
  const found: { base: number; last: number; sizeBytes: number }[] = []
  const bytes = Buffer.concat(pieces)
  for (let position = 0; position < bytes.length; ) {
    const sizeBytes = batchBytes(bytes, position)
    found.push({ base: baseOffset(bytes, position), last: lastOffset(bytes, position), sizeBytes })
    position += sizeBytes
  }
  return found
}

describe('ColdReader', () => {
  test('reads whole batches from any offset on, in order, at least one, within the limit', async () => {
    const { store, runs, batches } = await stored(12, 3, 1_000)
    const random = seededRandom(4)
    const reader = new ColdReader(store, 5_000)
    const end = runs.at(runs.length - 1).endOffset
    for (let offset = 1_000; offset < end; offset++) {
      const bytesMax = random.below(4) === 0 ? 0 : random.below(3_000)
      const read = batchesIn(await reader.read(runs, offset, bytesMax))
      const first = batches.findIndex(({ last }) => last >= offset)
      expect(read).toEqual(batches.slice(first, first + read.length))
      expect(read.length).toBeGreaterThanOrEqual(1)
      const bytes = read.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      expect(read.length === 1 || bytes <= bytesMax).toBe(true)
      // As much as fits, but for the bound on requests.
      const more = batches[first + read.length]
      const isFull = more === undefined || bytes + more.sizeBytes > bytesMax
      expect(isFull || bytesMax > 1_500).toBe(true)
    }
  })

  test('walking from batch to batch reads everything once', async () => {
    const { store, runs, batches } = await stored(20, 5)
    const reader = new ColdReader(store, 100_000)
    const seen: number[] = []
    for (let offset = 0; offset < runs.at(19).endOffset; ) {
      const read = batchesIn(await reader.read(runs, offset, 700))
      for (const { base } of read) seen.push(base)
      offset = (read[read.length - 1]?.last ?? Number.NaN) + 1
    }
    expect(seen).toEqual(batches.map(({ base }) => base))
  })

  test('nothing is read for an offset that is in no run', async () => {
    const { store, runs, gets } = await stored(3, 1, 10)
    const reader = new ColdReader(store, 1_000)
    expect(await reader.read(runs, 9, 100)).toEqual([])
    expect(await reader.read(runs, runs.at(2).endOffset, 100)).toEqual([])
    expect(gets).toEqual([])
  })

  test('only the bytes of runs are asked for, each once while it is kept, also by many at once', async () => {
    const { store, runs, gets } = await stored(1)
    const reader = new ColdReader(store, 100_000)
    await Promise.all(Array.from({ length: 10 }, () => reader.read(runs, 0, 50)))
    await reader.read(runs, 0, 50)
    const { position, sizeBytes } = runs.at(0)
    expect(gets).toEqual([
      { key: walKey(NODE, 0), range: { start: position, end: position + sizeBytes } },
    ])
  })

  test('what was not used for longest makes room', async () => {
    const { store, runs, gets } = await stored(4, 2)
    const sizes = [0, 1, 2, 3].map((index) => runs.at(index).sizeBytes)
    const reader = new ColdReader(store, Math.max(...sizes) * 2 + 1)
    const seqsRead = async (...indexes: number[]): Promise<number> => {
      const before = gets.length
      for (const index of indexes) await reader.readRun(runs.at(index))
      return gets.length - before
    }
    expect(await seqsRead(0, 1)).toBe(2)
    expect(await seqsRead(0)).toBe(0)
    // 1 goes, 0 was used since.
    await seqsRead(2)
    expect(await seqsRead(0)).toBe(0)
    expect(await seqsRead(1)).toBe(1)
  })

  test('a run larger than all room there is can be read all the same', async () => {
    const { store, runs } = await stored(2)
    const reader = new ColdReader(store, 10)
    expect(batchesIn(await reader.read(runs, 0, 1)).length).toBe(1)
    expect(batchesIn(await reader.read(runs, runs.at(1).baseOffset, 1)).length).toBe(1)
  })

  test('a read that failed, or was cut off, is not kept: the next one asks again', async () => {
    const { store, runs, batches } = await stored(1)
    let trouble: 'fails' | 'cut off' | 'none' = 'fails'
    const weak: ObjectStore = {
      ...store,
      async get(key, range) {
        if (trouble === 'fails') throw new Error('no store')
        const bytes = await store.get(key, range)
        return trouble === 'cut off' ? (bytes?.subarray(0, -1) ?? null) : bytes
      },
    }
    const reader = new ColdReader(weak, 100_000)
    await expect(reader.read(runs, 0, 1_000_000)).rejects.toThrow('no store')
    trouble = 'cut off'
    await expect(reader.read(runs, 0, 1_000_000)).rejects.toMatchObject({ kind: 'corrupt' })
    trouble = 'none'
    expect(batchesIn(await reader.read(runs, 0, 1_000_000))).toEqual(batches)
  })

  test('an object that is gone is told by its key', async () => {
    const { store, runs } = await stored(1)
    await store.delete([walKey(NODE, 0)])
    const reader = new ColdReader(store, 100)
    await expect(reader.read(runs, 0, 10)).rejects.toMatchObject({
      kind: 'corrupt',
      key: walKey(NODE, 0),
    })
  })
})

describe('batchesOf', () => {
  test('bytes that are not the run they should be are refused, wherever they differ', async () => {
    const { store, runs } = await stored(1, 6)
    const run = runs.at(0)
    const bytes = await new ColdReader(store, 0).readRun(run)
    const walk = (of: Run, from: Buffer): number => [...batchesOf(of, from)].length
    expect(walk(run, bytes)).toBeGreaterThan(0)
    expect(() => walk(run, bytes.subarray(1))).toThrow(walKey(NODE, 0))
    expect(() => walk({ ...run, baseOffset: run.baseOffset + 1 }, bytes)).toThrow('is due')
    expect(() => walk({ ...run, endOffset: run.endOffset + 1 }, bytes)).toThrow('ends at')
    for (const length of [-100, 0, 40, 1_000_000]) {
      const damaged = Buffer.from(bytes)
      damaged.writeInt32BE(length, 8)
      expect(() => walk(run, damaged)).toThrow(walKey(NODE, 0))
    }
  })
})
