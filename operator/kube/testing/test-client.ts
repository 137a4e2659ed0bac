import type { Clock } from '../../../base/clock.ts'
import type { KubeAccess } from '../access.ts'
import { KubeClient } from '../client.ts'
import type { KubeFailure, Outcome } from '../failure.ts'

/** A client of `server` as the operator makes it. */
export function testClient(
  server: { access(): KubeAccess },
  clock: Clock,
  fieldManager = 'streamcluster-test',
): KubeClient {
  return new KubeClient({ access: server.access(), clock, fieldManager })
}

/** The value of an outcome; throws when it is a failure. */
export function succeeded<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(`${outcome.failure.reason}: ${outcome.failure.message}`)
  return outcome.value
}

/** The failure of an outcome; throws when there is none. */
export function failureIn(outcome: Outcome<unknown>): KubeFailure {
  if (outcome.ok) throw new Error('a failure was expected')
  return outcome.failure
}
