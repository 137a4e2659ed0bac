import { whyNotBrokerConfigs } from '../../broker/config/broker-config.ts'
import { neededSecrets, type Observed } from './observed.ts'
import { configsOf } from './resources/config-map.ts'

/** Why nothing goes on until somebody changes something. */
export interface Stall {
  readonly reason:
    | 'InvalidSpec'
    | 'SecretMissing'
    | 'StorageRefused'
    | 'StorageDenied'
    | 'BucketMissing'
    | 'ApplyFailed'
    | 'RolloutFailed'
  /** For people: what to do. */
  readonly message: string
}

const STORE_REASONS = {
  refused: 'StorageRefused',
  denied: 'StorageDenied',
  missing: 'BucketMissing',
} as const

/** What stands in the way and will not pass by itself, or null. */
export function stallOf(observed: Observed): Stall | null {
  const { cluster, secrets, store } = observed
  const { spec } = cluster
  if (spec === null) return { reason: 'InvalidSpec', message: cluster.problems.join('; ') }
  if (spec.storage.volume !== undefined && spec.storage.volume.claimName === undefined) {
    const message = 'spec.storage.volume needs claimName: a ReadWriteMany claim in this namespace'
    return { reason: 'InvalidSpec', message }
  }
  const why = whyNotBrokerConfigs(configsOf(spec))
  if (why !== null) return { reason: 'InvalidSpec', message: `spec.config: ${why}` }
  for (const [name, keys] of neededSecrets(spec)) {
    const secret = secrets.get(name)
    const missing = keys.filter((key) => !secret?.keys.includes(key))
    if (secret === undefined || missing.length > 0) {
      const what = secret === undefined ? 'does not exist' : `lacks ${missing.join(', ')}`
      const message = `the Secret ${name} ${what}: it needs the keys ${keys.join(', ')}`
      return { reason: 'SecretMissing', message }
    }
  }
  if (store.outcome === 'refused' || store.outcome === 'denied' || store.outcome === 'missing') {
    return { reason: STORE_REASONS[store.outcome], message: store.message }
  }
  return null
}
