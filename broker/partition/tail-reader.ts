import type { SharedBytes } from '../../base/buffer-pool.ts'
import type { Partition } from './partition.ts'
import type { CachedRun } from './tail-cache.ts'

/** Whole record batches. `frames` own the memory of `pieces`: release each once when done. */
export interface ReadBytes {
  readonly pieces: readonly Buffer[]
  readonly frames: readonly SharedBytes[]
  readonly bytes: number
}

const NOTHING_READ: ReadBytes = { pieces: [], frames: [], bytes: 0 }

/**
 * Reads what is in memory from `offset` on, or returns null where that offset is not. Whole batches
 * up to `bytesMax`; with `atLeastOne` the first one even when it is larger (KIP-74).
 */
export function readTail(
  partition: Partition,
  offset: number,
  limit: { bytesMax: number; atLeastOne: boolean },
): ReadBytes | null {
  const { cached } = partition
  if (offset >= partition.highWatermark) return NOTHING_READ
  if (offset < cached.baseOffset) return null
  const pieces: Buffer[] = []
  const frames: SharedBytes[] = []
  let bytes = 0
  for (let at = cached.indexOf(offset); ; at++) {
    const run: CachedRun | undefined = cached.at(at)
    if (run === undefined) break
    for (let i = 0; i < run.batches.length; i++) {
      const batch = run.batches[i] as { lastOffset: number; sizeBytes: number }
      if (batch.lastOffset < offset) continue
      const fits = bytes + batch.sizeBytes <= limit.bytesMax
      if (!fits && !(bytes === 0 && limit.atLeastOne)) return { pieces, frames, bytes }
      pieces.push(run.pieces[i] as Buffer)
      const frame = run.frames[i] as SharedBytes
      if (frames[frames.length - 1] !== frame) {
        frame.retain()
        frames.push(frame)
      }
      bytes += batch.sizeBytes
    }
  }
  return { pieces, frames, bytes }
}
