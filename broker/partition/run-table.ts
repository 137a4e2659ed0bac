import { assert } from '../../base/assert.ts'
import type { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import type { BatchMeta } from '../wal/log-object.ts'

/** Consecutive record batches of one partition inside one log object. `endOffset` is exclusive. */
export interface Run {
  readonly nodeId: number
  readonly seq: number
  readonly position: number
  readonly sizeBytes: number
  readonly baseOffset: number
  readonly endOffset: number
  readonly maxTimestampMs: number
}

/** Numbers per run: node id, seq, position, size, base offset, end offset, newest time stamp. */
const COLUMNS = 7
const INITIAL_RUNS = 8

/**
 * Where a partition's data is: its runs in offset order, 56 bytes each in one flat array, since a
 * busy node makes thousands of them. Offsets are dense: each run begins where the last one ended.
 */
export class RunTable {
  private columns = new Float64Array(INITIAL_RUNS * COLUMNS)
  length = 0

  /** Adds the next run. */
  push(run: Run): void {
    assert(run.endOffset > run.baseOffset, 'a run has records')
    assert(
      this.length === 0 || run.baseOffset === this.column(this.length - 1, 5),
      `a run begins where the last one ended, not at ${run.baseOffset}`,
    )
    if ((this.length + 1) * COLUMNS > this.columns.length) {
      const grown = new Float64Array(this.columns.length * 2)
      grown.set(this.columns)
      this.columns = grown
    }
    const at = this.length * COLUMNS
    this.columns[at] = run.nodeId
    this.columns[at + 1] = run.seq
    this.columns[at + 2] = run.position
    this.columns[at + 3] = run.sizeBytes
    this.columns[at + 4] = run.baseOffset
    this.columns[at + 5] = run.endOffset
    this.columns[at + 6] = run.maxTimestampMs
    this.length++
  }

  private column(index: number, column: number): number {
    return this.columns[index * COLUMNS + column] as number
  }

  at(index: number): Run {
    assert(index >= 0 && index < this.length, `there is no run ${index}`)
    return {
      nodeId: this.column(index, 0),
      seq: this.column(index, 1),
      position: this.column(index, 2),
      sizeBytes: this.column(index, 3),
      baseOffset: this.column(index, 4),
      endOffset: this.column(index, 5),
      maxTimestampMs: this.column(index, 6),
    }
  }

  /** Drops the runs that lie below `offset` as a whole. */
  dropBelow(offset: number): void {
    let count = 0
    while (count < this.length && this.column(count, 5) <= offset) count++
    if (count === 0) return
    // A new array, not a shorter view: what is dropped may have been large.
    const kept = this.columns.slice(count * COLUMNS, this.length * COLUMNS)
    this.length -= count
    this.columns = new Float64Array(Math.max(this.length, INITIAL_RUNS) * COLUMNS)
    this.columns.set(kept)
  }

  /** The index of the run that holds `offset`, or -1. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if (offset < this.column(middle, 4)) high = middle - 1
      else if (offset >= this.column(middle, 5)) low = middle + 1
      else return middle
    }
    return -1
  }

  /** The index of the first run with a time stamp of `timestampMs` or later, or -1. */
  indexOfTimestamp(timestampMs: number): number {
    for (let index = 0; index < this.length; index++) {
      if (this.column(index, 6) >= timestampMs) return index
    }
    return -1
  }

  /** The index of the first run with the newest time stamp of all, or -1. */
  indexOfNewestTimestamp(): number {
    let best = -1
    for (let index = 0; index < this.length; index++) {
      if (best < 0 || this.column(index, 6) > this.column(best, 6)) best = index
    }
    return best
  }

  get sizeBytes(): number {
    let total = 0
    for (let index = 0; index < this.length; index++) total += this.column(index, 3)
    return total
  }

  /** The nodes whose objects hold data of the partition. */
  nodeIds(): Set<number> {
    const nodeIds = new Set<number>()
    for (let index = 0; index < this.length; index++) nodeIds.add(this.column(index, 0))
    return nodeIds
  }

  /** An independent copy. */
  copy(): RunTable {
    const table = new RunTable()
    table.columns = this.columns.slice()
    table.length = this.length
    return table
  }

  encode(writer: ByteWriter): void {
    writer.varint(this.length)
    // Differences to the run before: most are small, which keeps checkpoints small.
    for (let index = 0; index < this.length * COLUMNS; index++) {
      const before = index < COLUMNS ? 0 : (this.columns[index - COLUMNS] as number)
      writer.varint((this.columns[index] as number) - before)
    }
  }

  static decode(reader: ByteReader): RunTable {
    const table = new RunTable()
    const count = reader.varint()
    // Every run takes seven bytes at least; a lying count must not allocate.
    assert(count >= 0 && count * COLUMNS <= reader.remaining, 'the count of runs is too large')
    table.columns = new Float64Array(Math.max(count, INITIAL_RUNS) * COLUMNS)
    table.length = count
    for (let index = 0; index < count; index++) {
      for (let column = 0; column < COLUMNS; column++) {
        const before = index === 0 ? 0 : table.column(index - 1, column)
        table.columns[index * COLUMNS + column] = before + reader.varint()
      }
    }
    return table
  }
}

/** The run that `batches` make up at `position` of log object `seq` of node `nodeId`. */
export function runOf(
  place: { nodeId: number; seq: number; position: number },
  batches: readonly BatchMeta[],
): Run {
  const first = batches[0]
  const last = batches[batches.length - 1]
  assert(first !== undefined && last !== undefined, 'a run has batches')
  let sizeBytes = 0
  let maxTimestampMs = -1
  for (const batch of batches) {
    sizeBytes += batch.sizeBytes
    if (batch.maxTimestampMs > maxTimestampMs) maxTimestampMs = batch.maxTimestampMs
  }
  return {
    ...place,
    sizeBytes,
    baseOffset: first.baseOffset,
    endOffset: last.lastOffset + 1,
    maxTimestampMs,
  }
}
