import { InvariantError } from '../base/assert.ts'
import type { Draft, DraftChange, Mark } from './draft.ts'
import { applyRecord } from './image.ts'
import { NODE_PREDICATES } from './invariants-nodes.ts'
import { OWNERSHIP_PREDICATES } from './invariants-ownership.ts'
import { SCALAR_PREDICATES } from './invariants-scalars.ts'
import { TOPIC_NAME_PREDICATES, TOPIC_PREDICATES } from './invariants-topics.ts'
import type { PredicateContext, Predicates } from './predicates.ts'
import type { MetadataRecord } from './records.ts'

/** A proposed record would break the predicate of that name. Nothing of the proposal is applied. */
export class MetadataInvariantError extends InvariantError {
  override name = 'MetadataInvariantError'
  readonly predicate: string
  readonly record: MetadataRecord
  readonly before: unknown
  readonly after: unknown

  constructor(
    predicate: string,
    why: string,
    entries: { record: MetadataRecord; before: unknown; after: unknown },
  ) {
    super(`${predicate}: ${why} (record ${entries.record.type})`)
    this.predicate = predicate
    this.record = entries.record
    this.before = entries.before
    this.after = entries.after
  }
}

function check<T>(
  predicates: Predicates<T>,
  change: { readonly before: T | undefined; readonly after: T | undefined },
  context: PredicateContext,
): void {
  const { before, after } = change
  for (const [name, predicate] of Object.entries(predicates)) {
    const why = predicate(before, after, context)
    if (why !== null) {
      throw new MetadataInvariantError(name, why, { record: context.record, before, after })
    }
  }
}

function checkChange(change: DraftChange, context: PredicateContext): void {
  switch (change.table) {
    case 'nodes':
      check(NODE_PREDICATES, change, context)
      return
    case 'topics':
      check(TOPIC_PREDICATES, change, context)
      return
    case 'ownerships':
      check(OWNERSHIP_PREDICATES, change, context)
      return
    case 'topicIds':
      check(TOPIC_NAME_PREDICATES, change, context)
      return
    case 'configs':
    case 'nodeUses':
    case 'ownedCounts':
      // No rule of their own.
      return
  }
}

/**
 * Applies `record` to `draft` and checks every predicate on every entry that it changed. The order
 * of records matters: a takeover's seal comes before its reassignments. Throws
 * {@link MetadataInvariantError}, or an invariant error where the record cannot be applied at all;
 * the caller then rolls the draft back.
 */
export function applyChecked(draft: Draft, record: MetadataRecord): void {
  const mark: Mark = draft.mark()
  applyRecord(draft, record)
  const context: PredicateContext = { record, state: draft, scalarsBefore: mark.scalars }
  for (const change of draft.changesSince(mark)) checkChange(change, context)
  check(SCALAR_PREDICATES, { before: mark.scalars, after: draft.scalars }, context)
}
