import type { AnyApi } from '../protocol/api-keys.ts'
import { apis } from '../protocol/api-keys.ts'
import { handleApiVersions } from './api-versions.ts'
import type { Handler } from './context.ts'
import { handleFetch } from './fetch.ts'
import { handleMetadata } from './metadata.ts'
import { handleProduce } from './produce.ts'

/** Who answers what. What is not here is not advertised, and a request for it is refused. */
export const handlers: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [apis.produce.key, handleProduce],
  [apis.fetch.key, handleFetch],
  [apis.metadata.key, handleMetadata],
  [apis.apiVersions.key, handleApiVersions],
])

/** The APIs that have a handler, in the order of their keys. */
export function servedApis(all: readonly AnyApi[]): AnyApi[] {
  return all.filter(({ key }) => handlers.has(key))
}
