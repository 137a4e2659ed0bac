/** The bytes of one object, in pieces, so that nobody has to concatenate. */
export type Body = readonly Uint8Array[]

/** `end` is exclusive. A suffix range is the last `suffixBytes` bytes (or the whole object). */
export type ByteRange =
  | { readonly start: number; readonly end: number }
  | { readonly suffixBytes: number }

export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
}

/**
 * What the cluster needs of a bucket. Objects are immutable: created once, read, listed, deleted.
 * {@link ObjectStore.putIfAbsent} is the only primitive that decides anything (design §2), so there
 * is no overwriting PUT. Keys are `/`-separated, and no key is another key's folder.
 */
export interface ObjectStore {
  /** For people: what this store is, without secrets, such as `s3://bucket/prefix` or a path. */
  readonly description: string
  /**
   * Creates `key` with `body`, only if there is no such object. `created` means: durable.
   * `exists` means that some object is there, perhaps written by an earlier try of the same call.
   * Throws {@link StoreError}; the kinds `unknown` and `conflict` leave open what happened.
   */
  putIfAbsent(key: string, body: Body): Promise<'created' | 'exists'>
  /**
   * The bytes of `key`, or of a part of it (clipped to the object; empty beyond its end), or null
   * when there is no such object.
   */
  get(key: string, range?: ByteRange): Promise<Buffer | null>
  /**
   * Up to `limit` objects (default and maximum 1,000) whose keys begin with `prefix`, in the order
   * of their keys' bytes, after `startAfter` if given. Fewer than `limit` are all there were.
   */
  list(options: {
    prefix: string
    startAfter?: string | undefined
    limit?: number | undefined
  }): Promise<ListedObject[]>
  /** Deletes the objects that exist among `keys`. Absent ones are no error. */
  delete(keys: readonly string[]): Promise<void>
  close(): Promise<void>
}

/**
 * What the caller can do about it:
 * - `unknown`: a write may or may not have happened; send the same bytes again until it is decided.
 * - `conflict`: nothing was decided (S3's 409); try again.
 * - `throttled`, `unavailable`: nothing was done; try again later.
 * - `denied`, `misconfigured`: a person must change something; the message says what.
 * - `corrupt`: the bytes are not what they must be; never retried.
 */
export type StoreErrorKind =
  | 'unknown'
  | 'conflict'
  | 'throttled'
  | 'unavailable'
  | 'denied'
  | 'misconfigured'
  | 'corrupt'

export class StoreError extends Error {
  override name = 'StoreError'
  readonly kind: StoreErrorKind
  readonly key: string

  constructor(kind: StoreErrorKind, key: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.key = key
  }
}

/** The whole length of a body in bytes. */
export function bodyBytes(body: Body): number {
  let total = 0
  for (const piece of body) total += piece.byteLength
  return total
}
