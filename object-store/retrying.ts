import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { systemRandom } from '../base/random.ts'
import { backoffMs } from './backoff.ts'
import type { Retry } from './create.ts'
import { mayRetry } from './create.ts'
import type { ObjectStore } from './store.ts'

const BACKOFF = { firstMs: 25, lastMs: 2_000 }
const TIME_LIMIT_MS = 30_000

export interface RetryingOptions {
  readonly clock: Clock
  readonly random?: Random | undefined
  /** No new try starts later than this after the first; a try itself may take longer. */
  readonly timeLimitMs?: number | undefined
  /** Ends the waits between tries: the last error is thrown at once. */
  readonly signal?: AbortSignal | undefined
  readonly onRetry?: ((retry: Retry) => void) | undefined
}

/**
 * `store` with its reads, lists, and deletes tried again while the store is in trouble, up to a
 * time limit; then the last error is thrown. Creates pass through untouched: whoever creates needs
 * the answer `unknown` to decide (see createDecided).
 */
export function retrying(store: ObjectStore, options: RetryingOptions): ObjectStore {
  const { clock, signal, onRetry, random = systemRandom, timeLimitMs = TIME_LIMIT_MS } = options

  async function attempt<T>(
    operation: Retry['operation'],
    key: string,
    request: () => Promise<T>,
  ): Promise<T> {
    const endMs = clock.nowMs() + timeLimitMs
    for (let tries = 1; ; tries++) {
      try {
        return await request()
      } catch (error) {
        if (!mayRetry(error) || signal?.aborted) throw error
        const delayMs = backoffMs(BACKOFF, tries, random)
        if (clock.nowMs() + delayMs > endMs) throw error
        onRetry?.({ operation, key, tries, delayMs, error })
        await sleep(clock, delayMs, signal)
        if (signal?.aborted) throw error
      }
    }
  }

  return {
    description: store.description,
    putIfAbsent: (key, body) => store.putIfAbsent(key, body),
    get: (key, range) => attempt('get', key, () => store.get(key, range)),
    list: (request) => attempt('list', request.prefix, () => store.list(request)),
    delete: (keys) => attempt('delete', keys[0] ?? '', () => store.delete(keys)),
    close: () => store.close(),
  }
}
