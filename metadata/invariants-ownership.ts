import type { ImageState } from './image.ts'
import type { Predicate, Predicates } from './predicates.ts'
import { whyNotOwner } from './predicates.ts'
import type { Ownership, PastOwner } from './records.ts'

/** A new epoch begins, also where a node succeeds itself. */
function isSuccession(before: Ownership, after: Ownership): boolean {
  return before.nodeId !== after.nodeId || before.leaderEpoch !== after.leaderEpoch
}

function isSamePast(a: readonly PastOwner[], b: readonly PastOwner[]): boolean {
  return (
    a.length === b.length &&
    a.every((past, at) => past.nodeId === b[at]?.nodeId && past.leaderEpoch === b[at].leaderEpoch)
  )
}

/** A predicate on the start of a new epoch. */
function onSuccession(
  predicate: (before: Ownership, after: Ownership, state: ImageState) => string | null,
): Predicate<Ownership> {
  return (before, after, { state }) =>
    before && after && isSuccession(before, after) ? predicate(before, after, state) : null
}

/** A predicate on a change within an epoch. */
function onSameEpoch(
  predicate: (before: Ownership, after: Ownership) => string | null,
): Predicate<Ownership> {
  return (before, after) =>
    before && after && !isSuccession(before, after) ? predicate(before, after) : null
}

/** What must hold whenever an ownership changes (protocol.md R1, R5, R8). */
export const OWNERSHIP_PREDICATES: Predicates<Ownership> = {
  'leader-epochs-rise-by-one': onSuccession((before, after) =>
    after.leaderEpoch === before.leaderEpoch + 1
      ? null
      : `node ${before.nodeId} has epoch ${before.leaderEpoch}, ` +
        `node ${after.nodeId} cannot follow with ${after.leaderEpoch}`,
  ),

  'new-owner-able': onSuccession((_before, after, state) => whyNotOwner(state, after.nodeId)),

  /** R8: of a living owner the new one waits for a close, which only one epoch can owe. */
  'move-from-clean': onSuccession((before, _after, state) => {
    if (state.nodes.get(before.nodeId)?.state === 'sealed' || before.from.length === 0) return null
    return `node ${before.nodeId} is not sealed and has not checkpointed what it took over`
  }),

  /** R1: appended, never replaced: an owner may have died before it read its predecessor. */
  'from-appended': onSuccession((before, after) => {
    const expected = [{ nodeId: before.nodeId, leaderEpoch: before.leaderEpoch }, ...before.from]
    return isSamePast(after.from, expected)
      ? null
      : `from is ${JSON.stringify(after.from)}, not ${JSON.stringify(expected)}`
  }),

  /** R5: the objects of an owner stay needed after it. The new owner's own need no reference. */
  'refs-take-old-owner': onSuccession((before, after) => {
    const expected = new Set([...before.refs, before.nodeId])
    const missing = [...expected].find((id) => id !== after.nodeId && !after.refs.includes(id))
    if (missing !== undefined) return `node ${missing} is missing in refs`
    const strange = after.refs.find((id) => id !== after.nodeId && !expected.has(id))
    return strange === undefined ? null : `node ${strange} has no place in refs`
  }),

  /** All or nothing: the checkpoint that allows it holds the whole state. */
  'from-kept-or-cleared': onSameEpoch((before, after) =>
    after.from.length === 0 || isSamePast(before.from, after.from)
      ? null
      : `from was ${JSON.stringify(before.from)}, now ${JSON.stringify(after.from)}`,
  ),

  'refs-only-shrink': onSameEpoch((before, after) => {
    const added = after.refs.find((id) => !before.refs.includes(id))
    return added === undefined ? null : `refs gain node ${added} without a change of owner`
  }),

  'refs-distinct': (_before, after) =>
    after && new Set(after.refs).size !== after.refs.length ? 'a node is twice in refs' : null,
}
