/** A JSON object. */
export type Json = Record<string, unknown>

/**
 * `base` with `patch` laid over it, as Kubernetes' strategic merge does where it matters in pods:
 * objects field by field; lists whose items all have names (containers, variables, volumes) item
 * by item; other lists one behind the other. Null removes a field. Neither input is changed.
 */
export function mergeRaw(base: Json, patch: Json): Json {
  const merged: Json = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = mergeValue(merged[key], value)
  }
  return merged
}

function mergeValue(base: unknown, patch: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(patch)) return mergeLists(base, patch)
  if (isObject(base) && isObject(patch)) return mergeRaw(base, patch)
  return patch
}

function mergeLists(base: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const merged = [...base]
  for (const item of patch) {
    const name = nameOf(item)
    const index = name === null ? -1 : merged.findIndex((each) => nameOf(each) === name)
    if (index < 0) merged.push(item)
    else merged[index] = mergeItem(merged[index], item)
  }
  return merged
}

/** A variable or volume has one source: another one takes its place instead of joining it. */
function mergeItem(base: unknown, patch: unknown): unknown {
  const isContainer = isObject(base) && 'image' in base
  return isContainer ? mergeValue(base, patch) : patch
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What lists of Kubernetes are keyed by, if by anything: the item's name. */
export function nameOf(item: unknown): string | null {
  return isObject(item) && typeof item.name === 'string' ? item.name : null
}
