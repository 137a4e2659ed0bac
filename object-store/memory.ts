import { assert } from '../base/assert.ts'
import { assertKey, assertPrefix, clipRange, compareKeys, pageLimit } from './keys.ts'
import type { ByteRange, ListedObject, ObjectStore } from './store.ts'

/** The index of the first of `keys` (sorted) that is not before `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keys[middle] as string, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Holds what S3 does not, but a file system does: no key is another key's folder. */
function assertNoFolder(objects: Map<string, Buffer>, keys: readonly string[], key: string): void {
  for (let end = key.indexOf('/'); end >= 0; end = key.indexOf('/', end + 1)) {
    assert(!objects.has(key.slice(0, end)), `'${key}' lies below an object`)
  }
  const below = keys[lowerBound(keys, `${key}/`)]
  assert(
    below === undefined || !below.startsWith(`${key}/`),
    `'${key}' is the folder of '${below}'`,
  )
}

/**
 * A store in this process's memory, for tests and the simulator. Every call takes effect before it
 * returns; the promise only carries the result. Bodies and results are copies. Never throws a
 * StoreError.
 */
export function memoryStore(): ObjectStore {
  const objects = new Map<string, Buffer>()
  const sortedKeys: string[] = []

  function page(prefix: string, startAfter: string | undefined, limit: number): ListedObject[] {
    const found: ListedObject[] = []
    const from =
      startAfter !== undefined && compareKeys(startAfter, prefix) > 0 ? startAfter : prefix
    for (let index = lowerBound(sortedKeys, from); index < sortedKeys.length; index++) {
      const key = sortedKeys[index] as string
      if (key === startAfter) continue
      if (!key.startsWith(prefix) || found.length === limit) break
      found.push({ key, sizeBytes: (objects.get(key) as Buffer).length })
    }
    return found
  }

  return {
    description: 'memory:',
    async putIfAbsent(key, body) {
      assertKey(key)
      if (objects.has(key)) return 'exists'
      assertNoFolder(objects, sortedKeys, key)
      objects.set(key, Buffer.concat(body))
      sortedKeys.splice(lowerBound(sortedKeys, key), 0, key)
      return 'created'
    },
    async get(key: string, range?: ByteRange) {
      assertKey(key)
      const object = objects.get(key)
      if (object === undefined) return null
      const { start, length } = clipRange(range, object.length)
      return Buffer.from(object.subarray(start, start + length))
    },
    async list({ prefix, startAfter, limit }) {
      assertPrefix(prefix)
      return page(prefix, startAfter, pageLimit(limit))
    },
    async delete(keys) {
      for (const key of keys) {
        assertKey(key)
        if (objects.delete(key)) sortedKeys.splice(lowerBound(sortedKeys, key), 1)
      }
    },
    async close() {},
  }
}
