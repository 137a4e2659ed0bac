import { unpackableBytes } from '../protocol/compression.ts'
import { Limiter } from '../limiter.ts'

/** What all batches that are unpacked at once may take: as much as the largest one alone. */
const UNPACKED_BYTES_MAX = 192 * 1024 * 1024
/** A batch is there in pieces and as a whole, or unpacked and packed anew, and once more between. */
const COPIES = 3

const limiter = new Limiter(UNPACKED_BYTES_MAX)

/**
 * Runs what unpacks a batch from a client, of that codec and so many bytes, as soon as there is
 * memory for it. It is one bound for the process: produces and searches unpack alike.
 */
export function whileUnpacking<T>(
  packed: { readonly codec: number; readonly bytes: number },
  task: () => Promise<T>,
): Promise<T> {
  return limiter.run(task, COPIES * unpackableBytes(packed.codec, packed.bytes))
}
