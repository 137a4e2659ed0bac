import { assert } from './assert.ts'

/** Below this, a plain allocation is cheaper than keeping the memory. */
const POOLED_BYTES_MIN = 16 * 1024

/**
 * Bytes with an owner count. Whoever keeps a view retains it and releases it once; at zero the
 * memory goes back to its pool and is written over. Reading it after that reads another's data.
 */
export class SharedBytes {
  readonly buffer: Buffer
  /** How often the tail cache keeps a view of it; the cache's own, see there. */
  cachedViews = 0
  private owners = 1
  private readonly pool: BufferPool

  constructor(buffer: Buffer, pool: BufferPool) {
    this.buffer = buffer
    this.pool = pool
  }

  retain(): void {
    assert(this.owners > 0, 'released bytes are not retained again')
    this.owners++
  }

  release(): void {
    this.owners--
    assert(this.owners >= 0, 'bytes are released once per owner')
    if (this.owners === 0) this.pool.give(this)
  }
}

/**
 * Memory for request frames, used again instead of being allocated: fresh pages cost the kernel
 * more time than copying into warm ones. Sizes are rounded up to four steps per power of two.
 */
export class BufferPool {
  /** Bytes that have an owner now. */
  bytesInUse = 0
  private freeBytes = 0
  private readonly free = new Map<number, Buffer[]>()
  private readonly freeBytesMax: number

  /** Keeps up to `freeBytesMax` bytes for the next taker. */
  constructor(freeBytesMax: number) {
    this.freeBytesMax = freeBytesMax
  }

  /** `bytes` bytes with one owner; their content is arbitrary. */
  take(bytes: number): SharedBytes {
    this.bytesInUse += bytes
    if (bytes < POOLED_BYTES_MIN) return new SharedBytes(Buffer.allocUnsafeSlow(bytes), this)
    const rounded = roundedBytes(bytes)
    const buffer = this.free.get(rounded)?.pop()
    if (buffer !== undefined) this.freeBytes -= rounded
    const memory = buffer ?? Buffer.allocUnsafeSlow(rounded)
    return new SharedBytes(memory.subarray(0, bytes), this)
  }

  /** Called by the last owner's release. */
  give(shared: SharedBytes): void {
    const { buffer } = shared
    this.bytesInUse -= buffer.length
    const rounded = buffer.buffer.byteLength
    if (buffer.length < POOLED_BYTES_MIN || this.freeBytes + rounded > this.freeBytesMax) return
    let list = this.free.get(rounded)
    if (list === undefined) {
      list = []
      this.free.set(rounded, list)
    }
    list.push(Buffer.from(buffer.buffer, 0, rounded))
    this.freeBytes += rounded
  }
}

function roundedBytes(bytes: number): number {
  const power = 2 ** Math.floor(Math.log2(bytes))
  const step = power / 4
  return power + Math.ceil((bytes - power) / step) * step
}
