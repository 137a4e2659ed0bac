import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Backoff } from '../object-store/backoff.ts'
import { backoffMs } from '../object-store/backoff.ts'
import type { CreateOptions } from '../object-store/create.ts'
import { mayRetry } from '../object-store/create.ts'
import type { ObjectStore } from '../object-store/store.ts'
import { LogStopped } from './errors.ts'

/** What the parts of a metadata log are given. */
export interface LogContext {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Aborted when the log is stopped. */
  readonly signal: AbortSignal
  readonly createOptions: CreateOptions
  /** Who writes: 0 without a node. It changes when the process registers as a node. */
  readonly writerNodeId: () => number
}

const TROUBLE: Backoff = { firstMs: 50, lastMs: 2_000 }

/**
 * Runs `read` again for as long as the store is in trouble. Throws what cannot change by trying
 * again, and {@link LogStopped} once the log is stopped. Only for what has no effects.
 */
export async function persistently<T>(context: LogContext, read: () => Promise<T>): Promise<T> {
  const { clock, random, signal, logger } = context
  for (let tries = 1; ; tries++) {
    if (signal.aborted) throw new LogStopped()
    try {
      return await orStopped(read(), signal)
    } catch (error) {
      if (!mayRetry(error)) throw error
      const delayMs = backoffMs(TROUBLE, tries, random)
      logger.warn('cannot read the metadata log, trying again', { tries, delayMs, error })
      await sleep(clock, delayMs, signal)
    }
  }
}

/** `read`, or {@link LogStopped} as soon as `signal` aborts: a store may never answer. */
export function orStopped<T>(read: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new LogStopped())
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    read.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
