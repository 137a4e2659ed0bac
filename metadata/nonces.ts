import { assert } from '../base/assert.ts'

const NONCE_BYTES = 16

/**
 * So many batches stay known by nonce at least. A writer that learns only after as many further
 * batches that its key had been trimmed cannot find out any more whether its batch was in the log.
 */
export const NONCES_KEPT_MIN = 4_096

/** And at most so many where nobody trims the log, so that memory stays bounded: 1 MiB. */
const NONCES_KEPT_MAX = 65_536

/**
 * The nonces of the last batches, by seq. It outlives the batches themselves, in the snapshots: a
 * writer whose key was trimmed before it read the answer finds its batch here, or knows that it was
 * never part of the log (R10).
 */
export class NonceWindow {
  /** The seq of the newest nonce; 0 before the first batch. */
  lastSeq: number
  private readonly nonces: Buffer[] = []

  /** `bytes`: nonces of consecutive batches, the last one of `lastSeq`. */
  constructor(lastSeq = 0, bytes: Buffer = Buffer.alloc(0)) {
    assert(bytes.length % NONCE_BYTES === 0, 'nonces have 16 bytes each')
    assert(bytes.length / NONCE_BYTES <= lastSeq, 'there is at most a nonce per seq')
    this.lastSeq = lastSeq
    for (let position = 0; position < bytes.length; position += NONCE_BYTES) {
      this.nonces.push(bytes.subarray(position, position + NONCE_BYTES))
    }
  }

  /** The lowest seq whose nonce is known; `lastSeq + 1` when none is. */
  get firstSeq(): number {
    return this.lastSeq - this.nonces.length + 1
  }

  /** The nonce of the batch at `seq`, or null when it is not known any more. */
  at(seq: number): Buffer | null {
    assert(seq <= this.lastSeq, 'a nonce is asked for once its seq is known')
    return this.nonces[seq - this.firstSeq] ?? null
  }

  push(seq: number, nonce: Buffer): void {
    assert(seq === this.lastSeq + 1, 'nonces come in the order of their batches')
    assert(nonce.length === NONCE_BYTES, 'a nonce has 16 bytes')
    this.lastSeq = seq
    this.nonces.push(nonce)
  }

  /** Forgets what is below `boundary`, but none of the last {@link NONCES_KEPT_MIN}. */
  forgetBelow(boundary: number): void {
    const keptFrom = Math.max(
      Math.min(boundary, this.lastSeq - NONCES_KEPT_MIN + 1),
      this.lastSeq - NONCES_KEPT_MAX + 1,
    )
    const count = keptFrom - this.firstSeq
    // In bulk: each call moves the whole array.
    if (count >= NONCES_KEPT_MIN) this.nonces.splice(0, count)
  }

  toBytes(): Buffer {
    return Buffer.concat(this.nonces)
  }
}
