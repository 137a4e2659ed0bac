import type { NodeEntry } from './image.ts'
import type { Predicates } from './predicates.ts'

/** What must hold whenever the entry of a node changes. */
export const NODE_PREDICATES: Predicates<NodeEntry> = {
  /** An id that was used once may still stand in keys, fences and clients' caches. */
  'node-ids-rise': (before, after, { record, scalarsBefore }) => {
    if (after === undefined || (before !== undefined && record.type !== 'node-registered')) {
      return null
    }
    const next = scalarsBefore.nextNodeId
    return after.nodeId === next ? null : `node ${after.nodeId} registers, the next id is ${next}`
  },

  'node-identity-fixed': (before, after) => {
    if (before === undefined || after === undefined) return null
    const isSame = before.nodeId === after.nodeId && before.nonce === after.nonce
    return isSame ? null : `node ${before.nodeId} becomes another node`
  },

  /** R3: only the image's sealed end ends a WAL, so what it once said stays. */
  'sealed-for-ever': (before, after) => {
    if (before?.state !== 'sealed' || after === undefined) return null
    if (after.state !== 'sealed') return `node ${before.nodeId} is sealed, not ${after.state} again`
    if (after.sealedEnd === before.sealedEnd) return null
    return `node ${before.nodeId} is sealed at ${before.sealedEnd}, not at ${after.sealedEnd}`
  },

  /** R8: once, also where the second seal says the same: two takers must not both reassign. */
  'sealed-once': (before, _after, { record }) => {
    if (record.type !== 'node-sealed' || before?.state !== 'sealed') return null
    return `node ${before.nodeId} is sealed already`
  },

  'sealed-end-with-seal': (_before, after) => {
    if (after === undefined) return null
    const { nodeId, state, sealedEnd } = after
    if (state !== 'sealed') {
      return sealedEnd === null ? null : `node ${nodeId} is ${state} and has a sealed end`
    }
    const isSeq = Number.isSafeInteger(sealedEnd) && (sealedEnd as number) >= 0
    return isSeq ? null : `node ${nodeId} is sealed at ${sealedEnd}, which is no seq`
  },

  /** R5: as long as an ownership names the node, its objects are needed, and so is its entry. */
  'gone-when-unused': (before, after, { state }) => {
    if (before === undefined || after !== undefined) return null
    if (before.state !== 'sealed') return `node ${before.nodeId} is ${before.state}, not sealed`
    const uses = state.nodeUses.get(before.nodeId) ?? 0
    return uses === 0 ? null : `node ${before.nodeId} still stands in ownerships, ${uses} times`
  },
}
