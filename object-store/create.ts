import { assert, present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { systemRandom } from '../base/random.ts'
import type { Backoff } from './backoff.ts'
import { backoffMs } from './backoff.ts'
import type { ObjectHeader } from './header.ts'
import { decodeHeader, HEADER_BYTES, sameIdentity } from './header.ts'
import type { Body, ObjectStore, StoreErrorKind } from './store.ts'
import { StoreError } from './store.ts'

/** The store is in trouble: leave it time. */
const TROUBLE: Backoff = { firstMs: 50, lastMs: 2_000 }
/** S3 could not decide between two requests of the same moment: it can at once. */
const CONFLICT: Backoff = { firstMs: 5, lastMs: 200 }

/** One failed try, told before the wait for the next one. */
export interface Retry {
  readonly operation: 'put' | 'get' | 'list' | 'delete'
  readonly key: string
  /** 1 for the first try. */
  readonly tries: number
  readonly delayMs: number
  readonly error: StoreError
}

export interface CreateOptions {
  readonly clock: Clock
  readonly random?: Random | undefined
  readonly signal?: AbortSignal | undefined
  readonly onRetry?: ((retry: Retry) => void) | undefined
}

export type CreateOutcome =
  | { readonly outcome: 'written' }
  /** Somebody else's object holds the key; `winner` says whose. */
  | { readonly outcome: 'lost'; readonly winner: ObjectHeader }

const RETRIED: ReadonlySet<StoreErrorKind> = new Set([
  'unknown',
  'conflict',
  'throttled',
  'unavailable',
])

/** Whether the same request may be sent again after `error`. */
export function mayRetry(error: unknown): error is StoreError {
  // By name, not instanceof: two copies of this module may be loaded in a test run.
  return (
    (error as StoreError | null)?.name === 'StoreError' && RETRIED.has((error as StoreError).kind)
  )
}

/** Rejects as `unknown` when `signal` aborts first; the request itself goes on unobserved. */
function orAborted<T>(request: Promise<T>, key: string, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return request
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(aborted(key, signal))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    request.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function aborted(key: string, signal: AbortSignal): StoreError {
  const message = `gave up on ${key}: whether it was written is unknown`
  return new StoreError('unknown', key, message, signal.reason)
}

/**
 * Creates `key` with `body`, which begins with an object header (header.ts), and does not come back
 * before it is decided who wrote the object there (design §2): the same bytes go to the same key
 * until the store says created or exists, then the header tells one's own earlier try from somebody
 * else's object.
 *
 * Throws `denied`, `misconfigured`, `corrupt` (what lies there is not an object of ours), or
 * `unknown` once `signal` aborts. After any throw an earlier try may still land, so `body` must
 * never be reused for other bytes.
 */
export async function createDecided(
  store: ObjectStore,
  key: string,
  body: Body,
  options: CreateOptions,
): Promise<CreateOutcome> {
  const { clock, signal, onRetry, random = systemRandom } = options
  const mine = decodeHeader(key, headOf(body))
  let exists = false
  for (let tries = 1; ; tries++) {
    if (signal?.aborted) throw aborted(key, signal)
    let error: StoreError
    let operation: 'put' | 'get' = 'put'
    try {
      if (!exists) {
        const answer = await orAborted(store.putIfAbsent(key, body), key, signal)
        if (answer === 'created') return { outcome: 'written' }
        exists = true
        tries = 1
      }
      operation = 'get'
      const head = await orAborted(store.get(key, { start: 0, end: HEADER_BYTES }), key, signal)
      if (head !== null) {
        const winner = decodeHeader(key, head)
        return sameIdentity(winner, mine) ? { outcome: 'written' } : { outcome: 'lost', winner }
      }
      // It was there and is gone, or the read was stale: only another create decides.
      exists = false
      error = new StoreError('unknown', key, `${key} exists, but cannot be found`)
    } catch (thrown) {
      if (!mayRetry(thrown)) throw thrown
      if (signal?.aborted) throw aborted(key, signal)
      error = thrown
    }
    const delayMs = backoffMs(error.kind === 'conflict' ? CONFLICT : TROUBLE, tries, random)
    onRetry?.({ operation, key, tries, delayMs, error })
    await sleep(clock, delayMs, signal)
  }
}

/** The first piece of a body holds its header whole: writers make it so, and it spares a copy. */
function headOf(body: Body): Buffer {
  const first = present(body[0], 'the first piece of a decided object')
  assert(first.byteLength >= HEADER_BYTES, 'the first piece holds the whole header')
  return Buffer.from(first.buffer, first.byteOffset, HEADER_BYTES)
}
