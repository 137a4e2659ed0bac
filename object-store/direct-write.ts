import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { present } from '../base/assert.ts'
import type { Body } from './store.ts'
import { bodyBytes } from './store.ts'

/** Memory, position and length of a direct write must be multiples of the device's block size. */
const ALIGNMENT_BYTES = 4096
/** Below this the fixed costs of both ways are the same. */
const DIRECT_BYTES_MIN = 128 * 1024
const STAGE_BYTES = 2 * 1024 * 1024
/** As many writes as a WAL has in flight by default. */
const STAGES = 8

/** Not there in a Node without a compiler (--jitless). Its size is in pages of 64 KiB. */
const pages = (
  globalThis as {
    WebAssembly?: { Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer } }
  }
).WebAssembly?.Memory

/** What a file system without direct writes answers. */
const REFUSALS: ReadonlySet<unknown> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'])

/**
 * Files written past the page cache. Log objects are written once and read back rarely, so the
 * cache only costs: measured, 0.2 instead of 1.2 CPU seconds per GiB in the kernel and several
 * times the throughput, for one copy into aligned memory (0.1 CPU seconds per GiB).
 */
export class DirectWriter {
  private isRefused = constants.O_DIRECT === undefined || pages === undefined
  private readonly free: Buffer[] = []
  private isAllocated = false
  private readonly waiting: ((stage: Buffer) => void)[] = []

  /** Whether a body should be written this way. */
  suits(body: Body): boolean {
    return !this.isRefused && bodyBytes(body) >= DIRECT_BYTES_MIN
  }

  /**
   * Opens `path`, which must be new, and writes `body` to it; the caller syncs and closes. Null
   * where the file system does not do this, and then nothing is left behind but perhaps the file.
   * Throws the system's errors.
   */
  async write(path: string, body: Body): Promise<FileHandle | null> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DIRECT
    let handle: FileHandle
    try {
      handle = await open(path, flags, 0o644)
    } catch (error) {
      return this.refusal(error)
    }
    const stage = await this.takeStage()
    try {
      await writeStaged(handle, stage, body)
      return handle
    } catch (error) {
      await handle.close()
      return this.refusal(error)
    } finally {
      this.giveStage(stage)
    }
  }

  /** Remembers that this file system refuses; throws any other error. */
  private refusal(error: unknown): null {
    if (!REFUSALS.has((error as NodeJS.ErrnoException | null)?.code)) throw error
    this.isRefused = true
    return null
  }

  private takeStage(): Promise<Buffer> {
    if (!this.isAllocated) this.allocate()
    const stage = this.free.pop()
    if (stage !== undefined) return Promise.resolve(stage)
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  private giveStage(stage: Buffer): void {
    const next = this.waiting.shift()
    if (next === undefined) this.free.push(stage)
    else next(stage)
  }

  /** A WebAssembly memory is the one kind of memory in Node that begins at a page boundary. */
  private allocate(): void {
    this.isAllocated = true
    const Memory = present(pages, 'a WebAssembly memory')
    const { buffer } = new Memory({ initial: (STAGES * STAGE_BYTES) / 65_536 })
    for (let i = 0; i < STAGES; i++) {
      this.free.push(Buffer.from(buffer, i * STAGE_BYTES, STAGE_BYTES))
    }
  }
}

/** Copies the pieces through `stage`, and cuts off what the last write was padded with. */
async function writeStaged(handle: FileHandle, stage: Buffer, body: Body): Promise<void> {
  const totalBytes = bodyBytes(body)
  let pieceIndex = 0
  let pieceStart = 0
  for (let position = 0; position < totalBytes; ) {
    let filled = 0
    while (filled < stage.length && pieceIndex < body.length) {
      const piece = present(body[pieceIndex], 'a piece')
      const taken = Math.min(piece.byteLength - pieceStart, stage.length - filled)
      stage.set(piece.subarray(pieceStart, pieceStart + taken), filled)
      filled += taken
      pieceStart += taken
      if (pieceStart === piece.byteLength) {
        pieceIndex++
        pieceStart = 0
      }
    }
    const padded = Math.ceil(filled / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    stage.fill(0, filled, padded)
    for (let done = 0; done < padded; ) {
      // A short write ends at a block boundary; a full disk comes as one, and then as an error.
      const { bytesWritten } = await handle.write(stage, done, padded - done, position + done)
      done += bytesWritten
    }
    position += filled
  }
  if (totalBytes % ALIGNMENT_BYTES !== 0) await handle.truncate(totalBytes)
}
