import type { Clock } from '../../base/clock.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import type { MetadataBatch } from '../batch.ts'
import { decodeBatch } from '../batch.ts'
import type { Image } from '../image.ts'
import { applyRecord, emptyImage } from '../image.ts'
import { METADATA_LOG_PREFIX, seqOfKey } from '../keys.ts'

export interface Landed {
  readonly atMs: number
  readonly batch: MetadataBatch
}

/** The store `inner`, and what was decided in it: what an all-knowing observer would say. */
export interface RecordedStore extends ObjectStore {
  /**
   * The log: by seq - 1, the first object that was ever created at that key while the head was just
   * below it. What lands on a key again, after its deletion, is no part of it.
   */
  readonly history: readonly Landed[]
  /** How many objects were created where one had been deleted. */
  readonly zombieCount: () => number
}

export function recordedStore(inner: ObjectStore, clock: Clock): RecordedStore {
  const history: Landed[] = []
  let zombieCount = 0
  return {
    ...inner,
    history,
    zombieCount: () => zombieCount,
    async putIfAbsent(key, body) {
      const result = await inner.putIfAbsent(key, body)
      if (result !== 'created' || !key.startsWith(METADATA_LOG_PREFIX)) return result
      const seq = seqOfKey(key)
      if (seq <= history.length) zombieCount++
      else if (seq > history.length + 1) throw new Error(`${key} is created above a gap`)
      else history.push(landed(seq, clock.nowMs(), Buffer.concat(body)))
      return result
    },
  }
}

/** Decoded when asked for: a test may create what nobody can read. */
function landed(seq: number, atMs: number, bytes: Buffer): Landed {
  let batch: MetadataBatch | null = null
  return {
    atMs,
    get batch() {
      batch ??= decodeBatch(seq, bytes)
      return batch
    },
  }
}

/** The image of the first `count` batches of `history`. */
export function foldedImage(history: readonly Landed[], count = history.length): Image {
  const image = emptyImage()
  for (const { batch } of history.slice(0, count)) {
    for (const record of batch.records) applyRecord(image, record)
  }
  return image
}
