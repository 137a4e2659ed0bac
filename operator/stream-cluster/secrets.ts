import { createHmac } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { KubeClient } from '../kube/client.ts'
import { keyOf, kinds, type KubeObject, type ObjectName } from '../kube/objects.ts'
import type { ObservedSecret } from './observed.ts'

/** A Secret that was replaced is noticed within this time. */
const KEPT_MS = 20_000

/** A Secret with what it hides. */
export interface Secret extends ObservedSecret {
  /** Decoded. */
  readonly values: Readonly<Record<string, string>>
}

interface Kept {
  readonly secret: Secret
  readonly readAtMs: number
}

/**
 * Secrets by name. They are asked for one by one, never listed nor watched: so that the operator
 * needs the right to read only those that a StreamCluster names.
 */
export class Secrets {
  private readonly client: KubeClient
  private readonly clock: Clock
  private readonly kept = new Map<string, Kept>()

  constructor(options: { client: KubeClient; clock: Clock }) {
    this.client = options.client
    this.clock = options.clock
  }

  /** Null: there is none, or it may not be read. Throws when the API server says neither. */
  async get(name: ObjectName, signal: AbortSignal): Promise<Secret | null> {
    const key = keyOf(name)
    const kept = this.kept.get(key)
    if (kept !== undefined && this.clock.nowMs() - kept.readAtMs < KEPT_MS) return kept.secret
    const readAtMs = this.clock.nowMs()
    const outcome = await this.client.get(kinds.secret, name, { signal })
    if (outcome.ok) {
      const secret = secretOf(outcome.value)
      this.kept.set(key, { secret, readAtMs })
      return secret
    }
    const { status, message } = outcome.failure
    // What was known serves on while the API server is away.
    if (status !== 404 && status !== 403) {
      if (kept !== undefined) return kept.secret
      throw new Error(`Secret ${key} could not be read: ${message}`)
    }
    this.kept.delete(key)
    return null
  }
}

function secretOf(object: KubeObject): Secret {
  const data = (object.data ?? {}) as Record<string, string>
  const values: Record<string, string> = {}
  for (const [name, value] of Object.entries(data)) {
    values[name] = Buffer.from(value, 'base64').toString('utf8')
  }
  // Of the values alone: who labels a Secret does not mean to restart anything. Keyed, so that equal
  // values in two Secrets do not show.
  const digest = createHmac('sha256', object.metadata.uid ?? '')
    .update(JSON.stringify(Object.entries(data).sort()))
    .digest('hex')
    .slice(0, 16)
  return { digest, keys: Object.keys(data), values }
}
