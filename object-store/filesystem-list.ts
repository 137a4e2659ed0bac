import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { compareKeys } from './keys.ts'
import type { ListedObject } from './store.ts'

/** How many files are asked for their size at once: enough to hide a network's latency. */
const STATS_IN_FLIGHT = 64

interface Request {
  readonly root: string
  readonly prefix: string
  readonly startAfter: string
  readonly limit: number
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Whether keys that begin with `folderKey` (ending in `/`) can lie in the request's range. */
function mayHold(request: Request, folderKey: string): boolean {
  const { prefix, startAfter } = request
  if (!folderKey.startsWith(prefix) && !prefix.startsWith(folderKey)) return false
  return startAfter.startsWith(folderKey) || compareKeys(folderKey, startAfter) > 0
}

/**
 * The keys in one folder that can lie in the request's range, unsorted. A folder's key ends in `/`,
 * so that it sorts where its first object would.
 */
async function candidates(request: Request, folderKey: string): Promise<string[]> {
  const { root, prefix, startAfter } = request
  let entries: Dirent[]
  try {
    entries = await readdir(`${root}/${folderKey}`, { withFileTypes: true })
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
  const keys: string[] = []
  for (const entry of entries) {
    // Not objects: our `.tmp`, NFS's `.nfs…`, and ext4's own folder at the root of a disk.
    if (entry.name.startsWith('.') || entry.name === 'lost+found') continue
    if (entry.isDirectory()) {
      const key = `${folderKey}${entry.name}/`
      if (mayHold(request, key)) keys.push(key)
    } else {
      const key = folderKey + entry.name
      if (key.startsWith(prefix) && compareKeys(key, startAfter) > 0) keys.push(key)
    }
  }
  return keys
}

/**
 * The first `count` of `keys` after `after`, in order. Linear in the number of keys, because a
 * folder may hold 100,000 of which one page is asked for.
 */
export function firstKeys(keys: readonly string[], after: string, count: number): string[] {
  let first: string[] = []
  let last: string | null = null
  for (const key of keys) {
    if (compareKeys(key, after) <= 0 || (last !== null && compareKeys(key, last) > 0)) continue
    first.push(key)
    if (first.length < 2 * count) continue
    first = first.sort(compareKeys).slice(0, count)
    last = first[count - 1] as string
  }
  return first.sort(compareKeys).slice(0, count)
}

async function sizesOf(root: string, keys: readonly string[]): Promise<ListedObject[]> {
  const sizes: (number | null)[] = new Array(keys.length).fill(null)
  let next = 0
  async function work(): Promise<void> {
    while (next < keys.length) {
      const index = next++
      try {
        const found = await stat(`${root}/${keys[index]}`)
        if (found.isFile()) sizes[index] = found.size
      } catch (error) {
        // Deleted since the folder was read.
        if (!isAbsent(error)) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: STATS_IN_FLIGHT }, work))
  const listed: ListedObject[] = []
  keys.forEach((key, index) => {
    const sizeBytes = sizes[index]
    if (typeof sizeBytes === 'number') listed.push({ key, sizeBytes })
  })
  return listed
}

/** Adds to `found` what the request asks for in the folder `folderKey` and below, in key order. */
async function walk(request: Request, folderKey: string, found: ListedObject[]): Promise<void> {
  const { root, limit } = request
  const keys = await candidates(request, folderKey)
  let after = ''
  while (found.length < limit) {
    // A page's worth at a time: an entry may turn out to be an empty folder or a deleted file.
    const page = firstKeys(keys, after, limit - found.length)
    if (page.length === 0) return
    after = page.at(-1) as string
    for (let index = 0; index < page.length && found.length < limit; ) {
      const key = page[index] as string
      if (key.endsWith('/')) {
        await walk(request, key, found)
        index++
        continue
      }
      let end = index + 1
      while (end < page.length && !page[end]?.endsWith('/')) end++
      found.push(...(await sizesOf(root, page.slice(index, end))).slice(0, limit - found.length))
      index = end
    }
  }
}

/**
 * Up to `limit` objects below `root` whose keys begin with `prefix` and come after `startAfter`, in
 * key order. Reads each folder once that can hold such keys. Throws errno errors.
 */
export async function listFiles(request: Request): Promise<ListedObject[]> {
  const found: ListedObject[] = []
  const folderKey = request.prefix.slice(0, request.prefix.lastIndexOf('/') + 1)
  await walk(request, folderKey, found)
  return found
}
