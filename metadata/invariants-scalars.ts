import type { ImageScalars } from './image.ts'
import type { Predicates } from './predicates.ts'
import { whyNotOwner } from './predicates.ts'

/** What must hold whenever a record was applied, about the single values of the image. */
export const SCALAR_PREDICATES: Predicates<Readonly<ImageScalars>> = {
  /** A bucket holds one cluster: nodes of another one must never find theirs here. */
  'cluster-set-once': (before, after, { record }) => {
    if (record.type === 'cluster' && before?.clusterId != null) {
      return `this is cluster ${before.clusterId} already`
    }
    return after?.clusterId === '' ? 'a cluster id is not empty' : null
  },

  'probe-stays': (before, after) =>
    before?.storeProbed && !after?.storeProbed ? 'a probe of the store is not undone' : null,

  'next-node-id-rises': (before, after) => {
    if (!before || !after || after.nextNodeId >= before.nextNodeId) return null
    return `the next node id was ${before.nextNodeId}, not ${after.nextNodeId}`
  },

  /** Everybody must see each change of hands: a term that is skipped was never decided. */
  'controller-terms-rise-by-one': (before, after, { record }) => {
    if (record.type !== 'controller') return null
    const term = before?.controller?.term ?? 0
    return after?.controller?.term === term + 1
      ? null
      : `the controller's term was ${term}, the next is not ${after?.controller?.term}`
  },

  'controller-is-able': (_before, after, { record, state }) => {
    const nodeId = after?.controller?.nodeId ?? null
    if (record.type !== 'controller' || nodeId === null) return null
    return whyNotOwner(state, nodeId)
  },

  /** Two producers with one id would take each other's batches for duplicates. */
  'producer-ids-rise': (before, after, { record }) => {
    if (record.type !== 'producer-ids') return null
    const old = before?.nextProducerId ?? 0
    const next = after?.nextProducerId
    return Number.isSafeInteger(next) && (next as number) > old
      ? null
      : `the next producer id was ${old}, it does not rise to ${next}`
  },
}
