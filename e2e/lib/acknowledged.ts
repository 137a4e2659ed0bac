/** A record as it stands in a partition. */
export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly value: string
}

/** How many examples of each kind of fault are told: a broken run has thousands. */
const EXAMPLES_MAX = 5

/**
 * What was acknowledged, to be held against what is there. Values are unique over a whole test.
 */
export class Acknowledged {
  /** Partition → offset → value. */
  private readonly values = new Map<number, Map<number, string>>()
  private readonly faults = new Faults()
  count = 0

  add(partition: number, offset: number, value: string): void {
    let offsets = this.values.get(partition)
    if (offsets === undefined) {
      offsets = new Map()
      this.values.set(partition, offsets)
    }
    const other = offsets.get(offset)
    if (other !== undefined) {
      this.faults.add('acknowledged twice at one offset', { partition, offset, value, other })
    }
    offsets.set(offset, value)
    this.count++
  }

  addAll(other: Acknowledged): void {
    for (const [partition, offsets] of other.values) {
      for (const [offset, value] of offsets) this.add(partition, offset, value)
    }
  }

  /**
   * What is wrong with `records`, which are all there are, in the order of their offsets within each
   * partition: every acknowledged record must be there exactly once, at its offset; offsets must be
   * dense; no value may stand twice. Unless `othersAllowed`, nothing else may be there: that holds
   * once every producer has heard of all it sent.
   */
  faultsOf(
    records: readonly ReadRecord[],
    options: { readonly othersAllowed?: boolean } = {},
  ): string[] {
    const faults = this.faults.copy()
    const next = new Map<number, number>()
    const seen = new Map<string, ReadRecord>()
    let found = 0
    for (const record of records) {
      const { partition, offset, value } = record
      const expected = next.get(partition) ?? 0
      if (offset !== expected) faults.add('offsets are not dense', { ...record, expected })
      next.set(partition, offset + 1)
      const twin = seen.get(value)
      if (twin !== undefined) faults.add('duplicated', { record, twin })
      seen.set(value, record)
      const acknowledged = this.values.get(partition)?.get(offset)
      if (acknowledged === value) found++
      else if (acknowledged !== undefined) {
        faults.add('another record is where one was acknowledged', { record, acknowledged })
      } else if (!options.othersAllowed) faults.add('never acknowledged', record)
    }
    if (found < this.count) {
      for (const [partition, offsets] of this.values) {
        const endOffset = next.get(partition) ?? 0
        for (const [offset, value] of offsets) {
          if (offset >= endOffset) faults.add('lost', { partition, offset, value, endOffset })
        }
      }
      faults.add('acknowledged and found differ', { acknowledged: this.count, found })
    }
    return faults.told()
  }
}

class Faults {
  private readonly examples = new Map<string, { count: number; examples: string[] }>()

  add(kind: string, details: object): void {
    const known = this.examples.get(kind) ?? { count: 0, examples: [] }
    this.examples.set(kind, known)
    known.count++
    if (known.examples.length < EXAMPLES_MAX) known.examples.push(JSON.stringify(details))
  }

  copy(): Faults {
    const copy = new Faults()
    for (const [kind, { count, examples }] of this.examples) {
      copy.examples.set(kind, { count, examples: [...examples] })
    }
    return copy
  }

  told(): string[] {
    return [...this.examples].map(
      ([kind, { count, examples }]) => `${kind}, ${count} times: ${examples.join(' ')}`,
    )
  }
}
