import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import type { VirtualClock } from '../../base/testing/virtual-clock.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { memoryStore } from '../../object-store/memory.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { configKey } from '../image.ts'
import type { MetadataLogOptions } from '../log.ts'
import { MetadataLog } from '../log.ts'
import type { MetadataRecord } from '../records.ts'
import type { RecordedStore } from './recorded-store.ts'
import { recordedStore } from './recorded-store.ts'

/** One bucket, one clock, and as many logs over them as a test wants. */
export interface World {
  readonly clock: VirtualClock
  readonly store: RecordedStore
  /** A log with randomness of its own. */
  make(options?: Partial<MetadataLogOptions>): MetadataLog
  /** A log that is opened; the first one makes the cluster. */
  open(options?: Partial<MetadataLogOptions>): Promise<MetadataLog>
}

export function world(): World {
  const clock = virtualClock()
  const store = recordedStore(memoryStore(), clock)
  let seed = 1
  function make(options: Partial<MetadataLogOptions> = {}): MetadataLog {
    const random = seededRandom(seed++)
    return new MetadataLog({ clock, random, logger: silentLogger, store, ...options })
  }
  return {
    clock,
    store,
    make,
    async open(options) {
      const log = make(options)
      await clock.run(log.open(() => [clusterRecord('c')]))
      return log
    },
  }
}

export function clusterRecord(clusterId: string): MetadataRecord {
  return { type: 'cluster', clusterId, secret: 's', createdMs: 1 }
}

/** A change without any rule: the cluster-wide setting `key`. */
export function setting(key: string, value = '1'): MetadataRecord {
  return { type: 'config', scope: 'cluster', name: '', key, value }
}

/** What {@link setting} set. */
export function settingOf(log: MetadataLog, key: string): string | undefined {
  return log.image.configs.get(configKey('cluster', '', key))
}

/** A store whose method `name` is replaced by what `wrap` makes of it. */
export function wrapped<K extends 'get' | 'list' | 'putIfAbsent'>(
  store: ObjectStore,
  name: K,
  wrap: (inner: ObjectStore[K]) => ObjectStore[K],
): ObjectStore {
  return { ...store, [name]: wrap(store[name]) }
}
