import type { ObjectStore } from '../object-store/store.ts'
import { checkpointPrefix, seqOfKey } from './keys.ts'

/** The seq of the newest checkpoint of a node, or -1 when there is none. */
export async function newestCheckpointSeq(store: ObjectStore, nodeId: number): Promise<number> {
  const prefix = checkpointPrefix(nodeId)
  let newest = -1
  let startAfter: string | undefined
  for (;;) {
    const page = await store.list({ prefix, startAfter })
    const last = page[page.length - 1]
    if (last === undefined) return newest
    newest = seqOfKey(last.key)
    startAfter = last.key
  }
}
