import { assert } from '../base/assert.ts'
import type { ByteRange } from './store.ts'

/** The most objects that one `list` returns: S3's own bound, so one page is one request. */
const LIST_LIMIT_MAX = 1_000

/** S3 allows 1,024 bytes; the rest is left for a cluster's prefix. */
const KEY_BYTES_MAX = 800

// A segment with a leading dot is refused everywhere, because on a file system such names belong
// to others: `..`, our own `.tmp`, NFS's `.nfs…` (deleted but still open), snapshots.
const BAD_SEGMENT = /(^|\/)(\.|\/|$)/

/** Whether `key` is one that every kind of store can hold. */
export function isKey(key: string): boolean {
  if (BAD_SEGMENT.test(key) || key.includes('\0') || !key.isWellFormed()) return false
  return Buffer.byteLength(key) <= KEY_BYTES_MAX
}

/** Asserts that `key` is one that every kind of store can hold. Keys are our own making. */
export function assertKey(key: string): void {
  assert(isKey(key), `key '${key}' is too long, or a segment is empty or begins with a dot`)
}

/** Asserts that `prefix` is the beginning of such a key, or empty. */
export function assertPrefix(prefix: string): void {
  assert(!/(^|\/)[./]/.test(prefix), `prefix '${prefix}' begins no key`)
}

/**
 * Orders keys as S3 lists them: by their UTF-8 bytes. JavaScript's own order compares UTF-16 units,
 * which differs only where a surrogate pair meets a unit above it (U+E000 to U+FFFF).
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left === right) continue
    const leftIsPair = left >= 0xd800 && left <= 0xdfff
    const rightIsPair = right >= 0xd800 && right <= 0xdfff
    if (leftIsPair !== rightIsPair && left >= 0xd800 && right >= 0xd800) return leftIsPair ? 1 : -1
    return left - right
  }
  return a.length - b.length
}

/** Where `range` lies in an object of `sizeBytes`: clipped, `length` 0 beyond the end. */
export function clipRange(
  range: ByteRange | undefined,
  sizeBytes: number,
): { start: number; length: number } {
  if (range === undefined) return { start: 0, length: sizeBytes }
  assertRange(range)
  if ('suffixBytes' in range) {
    const start = Math.max(0, sizeBytes - range.suffixBytes)
    return { start, length: sizeBytes - start }
  }
  const start = Math.min(range.start, sizeBytes)
  return { start, length: Math.min(range.end, sizeBytes) - start }
}

/** Asserts that `range` is one: whole numbers, the end not before the start. */
export function assertRange(range: ByteRange): void {
  if ('suffixBytes' in range) {
    assert(Number.isSafeInteger(range.suffixBytes) && range.suffixBytes >= 0, 'a suffix has bytes')
    return
  }
  assert(Number.isSafeInteger(range.start) && range.start >= 0, 'a range starts in the object')
  assert(
    Number.isSafeInteger(range.end) && range.end >= range.start,
    'a range ends after its start',
  )
}

/** The page size of a `list`: `limit`, or the maximum. */
export function pageLimit(limit: number | undefined): number {
  const count = limit ?? LIST_LIMIT_MAX
  assert(Number.isInteger(count) && count > 0 && count <= LIST_LIMIT_MAX, 'a limit is 1 to 1,000')
  return count
}
