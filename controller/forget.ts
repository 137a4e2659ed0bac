import { configKey, type ImageState } from '../metadata/image.ts'
import { checkpointPrefix, walKey, walPrefix } from '../metadata/keys.ts'
import type { MetadataLog } from '../metadata/log.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import type { ObjectStore } from '../object-store/store.ts'

/**
 * The sealed nodes that nothing refers to any more: they own nothing, and stand in no `from` and in
 * no `refs` (R5). The image alone decides this, never a scan of checkpoints.
 */
export function forgettableNodes(image: ImageState): number[] {
  const nodeIds: number[] = []
  for (const { nodeId, state } of image.nodes.values()) {
    if (state === 'sealed' && (image.nodeUses.get(nodeId) ?? 0) === 0) nodeIds.push(nodeId)
  }
  return nodeIds
}

/**
 * Deletes a sealed node's objects, then the node from the image. Its fence stays for ever (R7): the
 * node may only be paused, and its next PUT must still fail.
 */
export async function forgetNode(
  log: MetadataLog,
  store: ObjectStore,
  nodeId: number,
): Promise<void> {
  const sealedEnd = log.image.nodes.get(nodeId)?.sealedEnd
  if (sealedEnd === undefined || sealedEnd === null) return
  await deleteAll(store, checkpointPrefix(nodeId), () => true)
  const fence = walKey(nodeId, sealedEnd)
  await deleteAll(store, walPrefix(nodeId), (key) => key !== fence)
  await log.append((image): MetadataRecord[] =>
    forgettableNodes(image).includes(nodeId)
      ? [...configsGone(image, nodeId), { type: 'node-gone', nodeId }]
      : [],
  )
}

/** What was set of the node alone: its id never comes back. */
function configsGone(image: ImageState, nodeId: number): MetadataRecord[] {
  const name = String(nodeId)
  const prefix = configKey('broker', name, '')
  return [...image.configs.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => {
      return { type: 'config', scope: 'broker', name, key: key.slice(prefix.length), value: null }
    })
}

async function deleteAll(
  store: ObjectStore,
  prefix: string,
  isDue: (key: string) => boolean,
): Promise<void> {
  let startAfter: string | undefined
  for (;;) {
    const page = await store.list({ prefix, startAfter })
    const last = page[page.length - 1]
    if (last === undefined) return
    await store.delete(page.map(({ key }) => key).filter(isDue))
    startAfter = last.key
  }
}
