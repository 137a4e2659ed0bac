/** What a reader of the demo's topic found so far. Counts are of records. */
export interface SequenceFindings {
  readonly read: number
  readonly missing: number
  readonly duplicated: number
  readonly misplaced: number
}

/**
 * Checks that each partition holds the sequence 0, 1, 2, … exactly once and in order. Records that
 * the client hands out a second time (the same offset again) are not counted: clients may do so,
 * and offsets show it. The same number at another offset was written twice.
 */
export class SequenceCheck {
  private readonly partitions: { nextOffset: number; nextSequence: number }[]
  private readonly counts = { read: 0, missing: 0, duplicated: 0, misplaced: 0 }

  constructor(partitionCount: number) {
    this.partitions = Array.from({ length: partitionCount }, () => ({
      nextOffset: 0,
      nextSequence: 0,
    }))
  }

  /** One record, in the order of the log. */
  record(partition: number, offset: number, sequence: number): void {
    const state = this.partitions[partition]
    if (state === undefined || offset < state.nextOffset) return
    this.counts.read += 1
    // Offsets themselves have no gaps here: nothing is deleted, compacted or transactional.
    if (offset !== state.nextOffset) this.counts.misplaced += 1
    state.nextOffset = offset + 1
    if (sequence < state.nextSequence) {
      this.counts.duplicated += 1
      return
    }
    this.counts.missing += sequence - state.nextSequence
    state.nextSequence = sequence + 1
  }

  /** The next offset to read of a partition. */
  nextOffset(partition: number): number {
    return this.partitions[partition]?.nextOffset ?? 0
  }

  /** How many of the records up to `written` (a count per partition) were read. */
  hasAll(written: readonly number[]): boolean {
    return written.every((count, index) => (this.partitions[index]?.nextSequence ?? 0) >= count)
  }

  findings(): SequenceFindings {
    return { ...this.counts }
  }
}
