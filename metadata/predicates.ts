import type { ImageScalars, ImageState } from './image.ts'
import type { MetadataRecord } from './records.ts'

/** What a predicate may look at beside the entry: the record, and the whole state after it. */
export interface PredicateContext {
  readonly record: MetadataRecord
  readonly state: ImageState
  readonly scalarsBefore: Readonly<ImageScalars>
}

/** Says what is wrong with a change of an entry, or null. `undefined` is "no such entry". */
export type Predicate<T> = (
  before: T | undefined,
  after: T | undefined,
  context: PredicateContext,
) => string | null

/** Predicates by their names, which errors, logs and tests use. */
export type Predicates<T> = Readonly<Record<string, Predicate<T>>>

/** Why `nodeId` cannot be made an owner, or null: it must be registered and not sealed. */
export function whyNotOwner(state: ImageState, nodeId: number): string | null {
  const node = state.nodes.get(nodeId)
  if (node === undefined) return `node ${nodeId} is not registered`
  return node.state === 'sealed' ? `node ${nodeId} is sealed` : null
}
