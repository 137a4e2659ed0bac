import { z } from 'zod'

/** A part of an OpenAPI v3 schema. */
export type OpenApi = Record<string, unknown>

/** What a structural schema of Kubernetes does not take, or says in another way. */
const DROPPED = new Set(['$schema', 'propertyNames', 'additionalProperties'])

/**
 * `schema` as a structural schema (apiextensions v1): objects list their fields and drop others,
 * every value has one type, and what is said with `anyOf` is an extension or any value at all.
 * Which values exactly are good, the operator says where this cannot.
 */
export function structuralSchema(schema: z.ZodType): OpenApi {
  const options = { io: 'input', reused: 'inline', target: 'openapi-3.0' } as const
  return structural(z.toJSONSchema(schema, options) as OpenApi)
}

function structural(node: OpenApi): OpenApi {
  const result: OpenApi = {}
  const isAny = node['x-kubernetes-preserve-unknown-fields'] === true
  const isMixed = node['x-kubernetes-int-or-string'] === true
  for (const [key, value] of Object.entries(node)) {
    if (DROPPED.has(key)) continue
    if (key === 'anyOf' && (isAny || isMixed)) continue
    if (key === 'type' && isMixed) continue
    if (key === 'properties') result[key] = mapValues(value as Record<string, OpenApi>, structural)
    else if (key === 'items') result[key] = structural(value as OpenApi)
    else result[key] = value
  }
  const additional = node.additionalProperties
  // `false` would be refused here: fields that are not listed are dropped anyway.
  if (typeof additional === 'object' && additional !== null && !isAny) {
    result.additionalProperties = structural(additional as OpenApi)
  }
  return result
}

function mapValues<T, U>(object: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]))
}
