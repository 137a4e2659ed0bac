import type { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import type { BatchMeta } from '../wal/log-object.ts'

/** How many batches per producer a duplicate is recognised among (Kafka keeps as many). */
const BATCHES_KEPT = 5
const SEQUENCE_MAX = 0x7fffffff
/**
 * A producer has at most five batches of a partition on their way, with fewer records than this: a
 * first batch from here on does not come before those that precede it.
 */
const OVERTAKEN_RECORDS_MAX = 2 ** 20

/** One accepted batch of an idempotent producer. */
export interface ProducerBatch {
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  /**
   * When it was appended (clock.wallMs). Never the client's own time stamps: who copies data of last
   * year would be forgotten at once, and its next retry would be taken for something new.
   */
  readonly appendedMs: number
}

interface ProducerEntry {
  /** Oldest first: at most five durable ones, and all that are not durable yet. */
  batches: ProducerBatch[]
}

export type SequenceCheck =
  | { readonly verdict: 'next' }
  | { readonly verdict: 'duplicate'; readonly of: ProducerBatch }
  | { readonly verdict: 'out-of-order' }
  | { readonly verdict: 'stale-epoch' }

const NEXT: SequenceCheck = { verdict: 'next' }
const OUT_OF_ORDER: SequenceCheck = { verdict: 'out-of-order' }
const STALE_EPOCH: SequenceCheck = { verdict: 'stale-epoch' }

/** The sequence `count` after `sequence`; sequences wrap from 2^31 - 1 to 0. */
function sequenceAfter(sequence: number, count: number): number {
  return sequence > SEQUENCE_MAX - count ? count - (SEQUENCE_MAX - sequence) - 1 : sequence + count
}

function isDurable(batch: ProducerBatch | undefined, highWatermark: number): boolean {
  return batch !== undefined && batch.lastOffset < highWatermark
}

/**
 * Producer ids, epochs and sequences of one partition (KIP-98, KIP-360). Holds the *pending* state
 * that appends are checked against; what lies below the high watermark is the *durable* state, the
 * only one that is written, handed over, or answered from (design §4).
 */
export class ProducerStates {
  private readonly producers = new Map<number, ProducerEntry>()
  /** The highest id of a producer that was forgotten; ids rise, so those above never were. */
  private forgottenIdMax = -1
  /**
   * Whether batches may come here before others that were sent earlier: not in a partition's first
   * leader epoch, as there was no other owner to send those to.
   */
  canOvertake = true

  get size(): number {
    return this.producers.size
  }

  /** Judges a batch before it is appended. The producer id must not be -1. */
  check(
    producerId: number,
    producerEpoch: number,
    baseSequence: number,
    count: number,
  ): SequenceCheck {
    const entry = this.producers.get(producerId)
    const last = entry?.batches[entry.batches.length - 1]
    if (entry === undefined || last === undefined) return this.checkFirst(producerId, baseSequence)
    if (producerEpoch < last.producerEpoch) return STALE_EPOCH
    if (producerEpoch > last.producerEpoch) return baseSequence === 0 ? NEXT : OUT_OF_ORDER
    if (baseSequence === sequenceAfter(last.lastSequence, 1)) return NEXT
    const lastSequence = sequenceAfter(baseSequence, count - 1)
    for (const batch of entry.batches) {
      if (
        batch.producerEpoch === producerEpoch &&
        batch.baseSequence === baseSequence &&
        batch.lastSequence === lastSequence
      ) {
        return { verdict: 'duplicate', of: batch }
      }
    }
    return OUT_OF_ORDER
  }

  /**
   * A producer begins a partition with sequence 0. Its first batches may still be on their way to an
   * owner that does not answer when later ones come here: taking those would leave the first ones
   * refused for ever (Kafka takes them: KAFKA-14359). A producer that outlives its topic goes on in
   * a new one of that name where it was, which is why that is for partitions that had other owners.
   */
  private checkFirst(producerId: number, baseSequence: number): SequenceCheck {
    const isOvertaking =
      this.canOvertake && baseSequence > 0 && baseSequence < OVERTAKEN_RECORDS_MAX
    return isOvertaking && producerId > this.forgottenIdMax ? OUT_OF_ORDER : NEXT
  }

  /**
   * Takes note of a batch appended at `appendedMs` (clock.wallMs). Batches at or above
   * `highWatermark` are not durable yet.
   */
  add(batch: BatchMeta, appendedMs: number, highWatermark: number): void {
    let entry = this.producers.get(batch.producerId)
    if (entry === undefined) {
      entry = { batches: [] }
      this.producers.set(batch.producerId, entry)
    }
    entry.batches.push({
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      lastSequence: sequenceAfter(batch.baseSequence, batch.lastOffset - batch.baseOffset),
      baseOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
      appendedMs,
    })
    // Five durable ones must stay: they are what a checkpoint or the next owner will know.
    const { batches } = entry
    let surplus = 0
    while (isDurable(batches[surplus + BATCHES_KEPT], highWatermark)) surplus++
    if (surplus > 0) batches.splice(0, surplus)
  }

  /** Forgets producers that were last seen before `beforeMs` and have nothing pending. */
  expire(beforeMs: number, highWatermark: number): void {
    for (const [producerId, entry] of this.producers) {
      const last = entry.batches[entry.batches.length - 1]
      if (last === undefined || (last.appendedMs < beforeMs && last.lastOffset < highWatermark)) {
        this.producers.delete(producerId)
        this.forgottenIdMax = Math.max(this.forgottenIdMax, producerId)
      }
    }
  }

  /** Every known producer with its newest batch, for DescribeProducers. */
  *list(): Iterable<{ producerId: number; last: ProducerBatch }> {
    for (const [producerId, entry] of this.producers) {
      const last = entry.batches[entry.batches.length - 1]
      if (last !== undefined) yield { producerId, last }
    }
  }

  /** Writes what lies below `endOffset`, newest five batches per producer. */
  encode(writer: ByteWriter, endOffset: number): void {
    const kept: [number, ProducerBatch[]][] = []
    for (const [producerId, entry] of this.producers) {
      const batches = entry.batches.filter((batch) => batch.lastOffset < endOffset)
      if (batches.length > 0) kept.push([producerId, batches.slice(-BATCHES_KEPT)])
    }
    writer.varint(this.forgottenIdMax)
    writer.varint(kept.length)
    for (const [producerId, batches] of kept) {
      writer.varint(producerId)
      writer.varint(batches.length)
      for (const batch of batches) {
        writer.varint(batch.producerEpoch)
        writer.varint(batch.baseSequence)
        writer.varint(batch.lastSequence)
        writer.varint(batch.baseOffset)
        writer.varint(batch.lastOffset - batch.baseOffset)
        writer.varint(Math.round(batch.appendedMs))
      }
    }
  }

  static decode(reader: ByteReader): ProducerStates {
    const states = new ProducerStates()
    states.forgottenIdMax = reader.varint()
    const producerCount = reader.varint()
    for (let i = 0; i < producerCount; i++) {
      const producerId = reader.varint()
      const batchCount = reader.varint()
      const batches: ProducerBatch[] = []
      for (let j = 0; j < batchCount; j++) {
        const producerEpoch = reader.varint()
        const baseSequence = reader.varint()
        const lastSequence = reader.varint()
        const baseOffset = reader.varint()
        const lastOffset = baseOffset + reader.varint()
        const appendedMs = reader.varint()
        batches.push({
          producerEpoch,
          baseSequence,
          lastSequence,
          baseOffset,
          lastOffset,
          appendedMs,
        })
      }
      states.producers.set(producerId, { batches })
    }
    return states
  }
}
