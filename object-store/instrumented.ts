import type { Clock } from '../base/clock.ts'
import type { ObjectStore, StoreError, StoreErrorKind } from './store.ts'
import { bodyBytes } from './store.ts'

export type StoreOperation = 'put' | 'get' | 'list' | 'delete'

/** One request that ended. */
export interface RequestEnd {
  readonly operation: StoreOperation
  readonly durationMs: number
  /** Of the object or range written or read; 0 for lists, deletes, and what failed. */
  readonly bytes: number
  /** Null when it succeeded; `exists` and an absent object are successes. */
  readonly errorKind: StoreErrorKind | 'bug' | null
}

/** `store`, telling `onRequest` of every request at its end. `onRequest` must not throw. */
export function instrumented(
  store: ObjectStore,
  options: {
    readonly clock: Pick<Clock, 'nowMs'>
    readonly onRequest: (end: RequestEnd) => void
  },
): ObjectStore {
  const { clock, onRequest } = options

  async function measure<T>(
    operation: StoreOperation,
    request: Promise<T>,
    bytesOf: (result: T) => number,
  ): Promise<T> {
    const startMs = clock.nowMs()
    try {
      const result = await request
      const durationMs = clock.nowMs() - startMs
      onRequest({ operation, durationMs, bytes: bytesOf(result), errorKind: null })
      return result
    } catch (error) {
      // Anything but a StoreError is a bug, and must show up as something in the metrics too.
      const errorKind = (error as StoreError | null)?.kind ?? 'bug'
      onRequest({ operation, durationMs: clock.nowMs() - startMs, bytes: 0, errorKind })
      throw error
    }
  }

  const none = (): number => 0
  return {
    description: store.description,
    putIfAbsent: (key, body) => measure('put', store.putIfAbsent(key, body), () => bodyBytes(body)),
    get: (key, range) => measure('get', store.get(key, range), (bytes) => bytes?.length ?? 0),
    list: (request) => measure('list', store.list(request), none),
    delete: (keys) => measure('delete', store.delete(keys), none),
    close: () => store.close(),
  }
}
