import { updateModeOf } from '../../../broker/config/dynamic-configs.ts'
import type { StreamClusterSpec } from '../../api/stream-cluster.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { type ChildContext, child, childNames } from './context.ts'

/** The key whose value is STREAMCLUSTER_CONFIG. */
export const CONFIG_KEY = 'config.json'

type Configs = Readonly<Record<string, string>>

/** `spec.config` as brokers take it, in one order whatever order it was written in. */
export function configsOf(spec: StreamClusterSpec): Configs {
  const names = Object.keys(spec.config).sort()
  return Object.fromEntries(names.map((name) => [name, String(spec.config[name])]))
}

/** The configs that brokers read at their start only (Kafka's update mode read-only). */
export function restartConfigs(configs: Configs): Configs {
  return Object.fromEntries(Object.entries(configs).filter(([name]) => !isHot(name)))
}

function isHot(name: string): boolean {
  return updateModeOf(name) === 'cluster-wide'
}

/** What brokers start with. */
export function configMap(context: ChildContext): KubeObject {
  const name = childNames.config(context.name)
  const data = { [CONFIG_KEY]: JSON.stringify(configsOf(context.spec)) }
  return child(context, { apiVersion: 'v1', kind: 'ConfigMap', name }, { data })
}

export interface ConfigChange {
  readonly key: string
  /** Null: Kafka's default again. */
  readonly value: string | null
}

/**
 * What must change in the cluster-wide dynamic configs, so that running brokers have what the spec
 * says without a restart (KIP-226). `before` is the ConfigMap as it was last applied: what it had and
 * the spec has no more is taken back, unless somebody has set another value since.
 */
export function hotChanges(
  spec: StreamClusterSpec,
  before: KubeObject | null,
  dynamic: Configs,
): ConfigChange[] {
  const wanted = configsOf(spec)
  const changes: ConfigChange[] = []
  for (const [key, value] of Object.entries(wanted)) {
    if (isHot(key) && dynamic[key] !== value) changes.push({ key, value })
  }
  for (const [key, value] of Object.entries(configsIn(before))) {
    if (isHot(key) && wanted[key] === undefined && dynamic[key] === value) {
      changes.push({ key, value: null })
    }
  }
  return changes
}

function configsIn(configMapObject: KubeObject | null): Configs {
  const data = configMapObject?.data as Record<string, string> | undefined
  try {
    return JSON.parse(data?.[CONFIG_KEY] ?? '{}') as Configs
  } catch {
    // Somebody wrote into it; the next apply mends it.
    return {}
  }
}
