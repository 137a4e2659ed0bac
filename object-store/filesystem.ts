import type { FileHandle } from 'node:fs/promises'
import { link, mkdir, open, readdir, realpath, stat, unlink } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { systemRandom } from '../base/random.ts'
import { DirectWriter } from './direct-write.ts'
import type { Step } from './filesystem-errors.ts'
import { filesystemError } from './filesystem-errors.ts'
import type { Folders } from './filesystem-folders.ts'
import { foldersBelow, syncFolder } from './filesystem-folders.ts'
import { listFiles } from './filesystem-list.ts'
import { assertKey, assertPrefix, clipRange, pageLimit } from './keys.ts'
import type { Body, ByteRange, ObjectStore } from './store.ts'

const TEMPORARY_FOLDER = '.tmp'
/** No put takes a day, so whoever wrote such a temporary is dead. */
const TEMPORARY_AGE_MS_MAX = 24 * 60 * 60 * 1_000
/** Linux takes 1,024 pieces in one writev (IOV_MAX). */
const PIECES_PER_WRITE_MAX = 1_024
/** Enough to hide a network's latency; more would only queue for the thread pool. */
const UNLINKS_IN_FLIGHT = 16

export interface FilesystemOptions {
  /** An absolute path; made if absent. */
  readonly folder: string
  readonly clock?: Pick<Clock, 'wallMs'> | undefined
  readonly random?: Random | undefined
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code
}

/** Writes `body` at the beginning of the file, without joining its pieces. */
async function writePieces(handle: FileHandle, body: Body): Promise<void> {
  let pieces = body.filter((piece) => piece.byteLength > 0)
  while (pieces.length > 0) {
    const batch = pieces.slice(0, PIECES_PER_WRITE_MAX)
    let { bytesWritten: left } = await handle.writev(batch)
    let whole = 0
    // A short write is allowed (a full disk comes as one): go on where it stopped.
    while (whole < batch.length && left >= (batch[whole] as Uint8Array).byteLength) {
      left -= (batch[whole] as Uint8Array).byteLength
      whole++
    }
    pieces = pieces.slice(whole)
    if (left > 0) pieces[0] = (pieces[0] as Uint8Array).subarray(left)
  }
}

/** Leaves a durable file with `body` at `path`, which nobody else uses; or, on an error, none. */
async function writeTemporary(path: string, body: Body, direct: DirectWriter): Promise<void> {
  let handle = direct.suits(body) ? await direct.write(path, body) : null
  const isWritten = handle !== null
  // After a refusal the file may be there already, empty or in part.
  handle ??= await open(path, 'w', 0o644)
  try {
    if (!isWritten) await writePieces(handle, body)
    await handle.datasync()
  } catch (error) {
    await unlink(path).catch(() => {})
    throw error
  } finally {
    await handle.close()
  }
}

/** The bytes of `range`, fewer if the file ends early. */
async function readRange(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

/** Removes what dead processes left. What cannot be removed is left for the next start. */
async function removeOldTemporaries(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = `${folder}/${name}`
    try {
      if (nowMs - (await stat(path)).mtimeMs > TEMPORARY_AGE_MS_MAX) await unlink(path)
    } catch {
      // Another process cleans up at the same time, or may not: neither matters.
    }
  }
}

class FilesystemStore implements ObjectStore {
  readonly description: string
  readonly #root: string
  readonly #folders: Folders
  readonly #temporaryPrefix: string
  readonly #direct = new DirectWriter()
  #nextTemporary = 0

  constructor(root: string, temporaryPrefix: string) {
    this.description = root
    this.#root = root
    this.#folders = foldersBelow(root)
    this.#temporaryPrefix = temporaryPrefix
  }

  /**
   * A temporary file is filled and made durable, then linked to the key's path: link(2) refuses an
   * existing name, and nobody ever sees a part of an object.
   */
  async putIfAbsent(key: string, body: Body): Promise<'created' | 'exists'> {
    assertKey(key)
    const path = `${this.#root}/${key}`
    const folder = dirname(path)
    const temporary = `${this.#temporaryPrefix}${this.#nextTemporary++}`
    let step: Step = 'before'
    let linked = false
    try {
      await this.#folders.ensure(folder)
      await writeTemporary(temporary, body, this.#direct)
      step = 'link'
      linked = await this.#link(temporary, path)
      step = 'after'
      // Also when it exists: an earlier try of the same put may have failed between link and sync,
      // and who is told `exists` may go on to find that the object is its own, hence durable.
      await Promise.all([unlink(temporary).catch(() => {}), this.#folders.sync(folder)])
    } catch (error) {
      if (step !== 'after') await unlink(temporary).catch(() => {})
      throw filesystemError(error, this.#root, key, step)
    }
    return linked ? 'created' : 'exists'
  }

  /** False if `path` exists. Makes the folder again if somebody removed it under us. */
  async #link(temporary: string, path: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        await link(temporary, path)
        return true
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false
        if (codeOf(error) !== 'ENOENT' || tries > 1) throw error
        this.#folders.forget(dirname(path))
        await this.#folders.ensure(dirname(path))
      }
    }
  }

  async get(key: string, range?: ByteRange): Promise<Buffer | null> {
    assertKey(key)
    let handle: FileHandle | null = null
    try {
      handle = await open(`${this.#root}/${key}`, 'r')
      const found = await handle.stat()
      if (!found.isFile()) return null
      const { start, length } = clipRange(range, found.size)
      return await readRange(handle, start, length)
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
      throw filesystemError(error, this.#root, key, 'before')
    } finally {
      await handle?.close()
    }
  }

  async list(options: Parameters<ObjectStore['list']>[0]): ReturnType<ObjectStore['list']> {
    const { prefix, startAfter = '' } = options
    const limit = pageLimit(options.limit)
    assertPrefix(prefix)
    try {
      return await listFiles({ root: this.#root, prefix, startAfter, limit })
    } catch (error) {
      throw filesystemError(error, this.#root, prefix, 'before')
    }
  }

  /** Not synced: an object that comes back after a power cut is garbage to be deleted again. */
  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) assertKey(key)
    let next = 0
    const work = async (): Promise<void> => {
      while (next < keys.length) {
        const key = keys[next++] as string
        await unlink(`${this.#root}/${key}`).catch((error) => {
          if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '')) return
          throw filesystemError(error, this.#root, key, 'before')
        })
      }
    }
    await Promise.all(Array.from({ length: UNLINKS_IN_FLIGHT }, work))
  }

  async close(): Promise<void> {}
}

/** Makes `folder` and its parents, durably. */
async function makeRoot(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let path = dirname(folder); path.length >= dirname(first).length; path = dirname(path)) {
    await syncFolder(path)
    if (path === dirname(path)) break
  }
}

/**
 * A store in a local or mounted folder (NFS, CubeFS, EFS); any number of processes may use it at
 * once. Needs hard links. Left-overs of dead processes go at the start. Throws
 * {@link StoreError} `denied` or `misconfigured` when the folder cannot be used.
 */
export async function filesystemStore(options: FilesystemOptions): Promise<ObjectStore> {
  const { clock = systemClock, random = systemRandom } = options
  assert(isAbsolute(options.folder), `folder ${options.folder} is an absolute path`)
  const folder = resolve(options.folder)
  try {
    await makeRoot(folder)
    const root = await realpath(folder)
    const temporaryFolder = `${root}/${TEMPORARY_FOLDER}`
    await mkdir(temporaryFolder, { recursive: true })
    await removeOldTemporaries(temporaryFolder, clock.wallMs())
    const unique = random.bytes(12).toString('hex')
    return new FilesystemStore(root, `${temporaryFolder}/${unique}-`)
  } catch (error) {
    throw filesystemError(error, folder, '', 'before')
  }
}
