import type { StoreError } from '../../object-store/store.ts'

/**
 * What became of the last look at the store. `refused`, `denied` and `missing` need a person;
 * `unreachable` passes or does not; `unknown`: nobody has looked yet; `unseen`: this process has no
 * way to it, which says nothing of the brokers': they lead their cluster by themselves.
 */
export interface StoreOutcome {
  readonly outcome: 'ok' | 'refused' | 'denied' | 'missing' | 'unreachable' | 'unknown' | 'unseen'
  /** For people; empty with `ok`. */
  readonly message: string
}

export const STORE_OK: StoreOutcome = { outcome: 'ok', message: '' }

/** The SDK's names for what a person has to mend in one way or the other. */
const MISSING_BUCKET = 'NoSuchBucket'
const NO_CREDENTIALS = 'CredentialsProviderError'

/**
 * What a fault means for the cluster of a store. Anything but a StoreError is a fault of ours: one
 * cluster waits for a person then, and the others do not.
 */
export function outcomeOfError(error: unknown): StoreOutcome {
  const { name, kind, cause, message } = error as StoreError & { cause?: { name?: string } }
  if (name !== 'StoreError') return { outcome: 'refused', message: `a fault: ${message}` }
  const outcomeOf = (): StoreOutcome['outcome'] => {
    if (kind === 'denied' || cause?.name === NO_CREDENTIALS) return 'denied'
    if (cause?.name === MISSING_BUCKET) return 'missing'
    return kind === 'misconfigured' || kind === 'corrupt' ? 'refused' : 'unreachable'
  }
  return { outcome: outcomeOf(), message: steady(message) }
}

/**
 * Without what differs each time: the key of a probe, a host's moment. Conditions carry the message,
 * and must not change while nothing does.
 */
function steady(message: string): string {
  return message
    .replace(/probe\/[0-9a-f]+\/\S+/g, 'probe/…')
    .replace(/(RequestId|HostId|x-amz-request-id)[=: ]+[^\s,)]+/gi, '$1 …')
}
