import { configKey, type Table } from '../../metadata/image.ts'
import type { ConfigScope } from '../../metadata/records.ts'

/** Every config that is set of one resource, by key, in the order of the metadata. */
export function configsOf(
  configs: Pick<Table<string, string>, 'entries'>,
  scope: ConfigScope,
  resourceName: string,
): Map<string, string> {
  const prefix = configKey(scope, resourceName, '')
  const found = new Map<string, string>()
  for (const [key, value] of configs.entries()) {
    if (!key.startsWith(prefix)) continue
    const name = key.slice(prefix.length)
    // Of a resource whose own name has a line break in it.
    if (!name.includes('\n')) found.set(name, value)
  }
  return found
}

/** The names of the resources of that scope that have any config. */
export function resourcesOf(
  configs: Pick<Table<string, string>, 'keys'>,
  scope: ConfigScope,
): string[] {
  const found = new Set<string>()
  for (const key of configs.keys()) {
    // A resource's name may have line breaks in it, that of a config has none.
    if (isOfScope(key, scope)) found.add(key.slice(scope.length + 1, key.lastIndexOf('\n')))
  }
  return [...found]
}

/** Whether a key of `image.configs` is of that scope. */
export function isOfScope(key: string, scope: ConfigScope): boolean {
  return key.startsWith(`${scope}\n`)
}
