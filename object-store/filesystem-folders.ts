import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A bound for the memory of folders; each takes about 100 bytes. When full it starts over. */
const KNOWN_FOLDERS_MAX = 100_000

/** File systems that cannot sync a folder say so by these (SMB, some FUSE); see `syncFolder`. */
const SYNC_UNSUPPORTED = new Set(['EINVAL', 'ENOTSUP', 'EBADF'])

/** Makes folders, and makes what happens in them durable. All paths are absolute. */
export interface Folders {
  /** Makes `folder` and its parents below the root, durably. Free for a folder already known. */
  ensure(folder: string): Promise<void>
  /** Forgets that `folder` and its parents are there. */
  forget(folder: string): void
  /** Makes the entries durable that were in `folder` when this was called. */
  sync(folder: string): Promise<void>
}

interface Turn {
  running: Promise<void>
  waiting: Promise<void> | null
}

/** Makes the entries of `folder` durable. Throws errno errors. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Such file systems are remote ones, whose servers make changes of folders durable themselves.
    if (!SYNC_UNSUPPORTED.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    await handle.close()
  }
}

async function makeOne(folder: string): Promise<void> {
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}

/** {@link Folders} below `root`, which must be there. */
export function foldersBelow(root: string): Folders {
  const known = new Set<string>([root])
  const making = new Map<string, Promise<void>>()
  const turns = new Map<string, Turn>()

  /**
   * One sync at a time per folder. Who comes while one runs shares the next: the running one may
   * have begun before their entry was there.
   */
  function sync(folder: string): Promise<void> {
    const turn = turns.get(folder)
    if (turn === undefined) return startSync(folder)
    turn.waiting ??= turn.running.then(
      () => startSync(folder),
      () => startSync(folder),
    )
    return turn.waiting
  }

  function startSync(folder: string): Promise<void> {
    const turn: Turn = { running: syncFolder(folder), waiting: null }
    turns.set(folder, turn)
    const done = (): void => {
      // With a waiter the turn stays, until the waiter's startSync (queued behind this) replaces it.
      if (turn.waiting === null) turns.delete(folder)
    }
    turn.running.then(done, done)
    return turn.running
  }

  async function make(folder: string): Promise<void> {
    const parent = dirname(folder)
    await ensure(parent)
    try {
      await makeOne(folder)
    } catch (error) {
      // Somebody removed the parent, or put a file in its place, after we came to know it.
      forget(parent)
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      await ensure(parent)
      await makeOne(folder)
    }
    // Also when it was there: its maker may not have come to sync it yet.
    await sync(parent)
    if (known.size >= KNOWN_FOLDERS_MAX) known.clear()
    known.add(root).add(folder)
  }

  function ensure(folder: string): Promise<void> {
    if (known.has(folder)) return Promise.resolve()
    let made = making.get(folder)
    if (made === undefined) {
      made = make(folder).finally(() => making.delete(folder))
      making.set(folder, made)
    }
    return made
  }

  function forget(folder: string): void {
    for (let path = folder; path.length > root.length; path = dirname(path)) known.delete(path)
  }

  return { ensure, forget, sync }
}
