import { Checkpointer } from '../../broker/partition/checkpointer.ts'
import { RunTable } from '../../broker/partition/run-table.ts'
import type { Node } from '../../broker/node.ts'
import { checkpointPrefix, METADATA_BOUNDARY_PREFIX, seqOfKey } from '../../metadata/keys.ts'
import { HEADER_BYTES } from '../../object-store/header.ts'
import { bodyBytes, type ListedObject, type ObjectStore } from '../../object-store/store.ts'
import type { World } from '../world.ts'
import type { PlantedBug } from './bugs.ts'

/**
 * Rules of docs/protocol.md broken around the real code, one by one, to show that the scripted
 * history about each would fail. Random seeds meet these too seldom to be told from good ones.
 */

/** The owner takes its own word for what it needs, as a scan of checkpoints would. */
export const referencesForgotten: PlantedBug = {
  name: 'references-forgotten',
  about: 'R5: an owner removes references to objects that it still needs',
  begin() {
    const { nodeIds } = RunTable.prototype
    RunTable.prototype.nodeIds = () => new Set()
    return () => {
      RunTable.prototype.nodeIds = nodeIds
    }
  },
}

interface Trimmer {
  readonly options: { readonly store: ObjectStore; readonly log: object; readonly nodeId: number }
  deleteOlder(seq: number): Promise<void>
}

/** Keeps the oldest checkpoint where the code keeps the one before, which slow readers live on. */
function trimming(name: string, about: string, log: (real: object) => object): PlantedBug {
  return {
    name,
    about,
    begin() {
      const prototype = Checkpointer.prototype as unknown as Trimmer
      const { deleteOlder } = prototype
      prototype.deleteOlder = function (seq) {
        const { options } = this
        const store = { ...options.store, delete: () => deleteBelow(options, seq) }
        const value = { ...options, store, log: log(options.log) }
        return deleteOlder.call(Object.create(this, { options: { value } }), seq)
      }
      return () => {
        prototype.deleteOlder = deleteOlder
      }
    },
  }
}

async function deleteBelow({ store, nodeId }: Trimmer['options'], seq: number): Promise<void> {
  const older = await store.list({ prefix: checkpointPrefix(nodeId) })
  const keys = older.map(({ key }) => key).filter((key) => seqOfKey(key) < seq)
  await store.delete(keys.slice(1))
}

/** No bug: R6 alone is enough. */
export const trimOther = trimming(
  'trim-other',
  'a node keeps its oldest checkpoint instead of the one before',
  (log) => log,
)

/** It goes by what it knew: that it may have been sealed it would only find at the head. */
export const trimWithoutHead = trimming(
  'trim-without-head',
  'R6: and deletes the others without reading the head of the metadata log',
  (log) => Object.create(log, { catchUp: { value: async () => {} } }),
)

/** After its fence the taker believes what it read before. */
export const fenceWithoutReadingAgain: PlantedBug = {
  name: 'fence-without-reading-again',
  about: 'read-again: a taker does not look for a newer checkpoint after its fence',
  store: (store) => {
    const listed = new Map<string, ListedObject[]>()
    let isFencing = false
    return {
      ...store,
      async list(request) {
        if (!request.prefix.startsWith('ckpt/')) return store.list(request)
        const id = `${request.prefix} ${request.startAfter ?? ''}`
        const known = listed.get(id)
        if (isFencing && known !== undefined) return known
        const found = await store.list(request)
        listed.set(id, found)
        return found
      },
      putIfAbsent(key, body) {
        if (key.startsWith('wal/') && bodyBytes(body) === HEADER_BYTES) isFencing = true
        return store.putIfAbsent(key, body)
      },
    }
  },
}

/** Whoever deletes of a node's WAL deletes all of it. */
export const fenceDeleted: PlantedBug = {
  name: 'fence-deleted',
  about: 'R7: the fence goes with the other objects of a node',
  store: (store) => ({
    ...store,
    async delete(keys) {
      const walKeys = keys.filter((key) => key.startsWith('wal/'))
      const prefixes = new Set(walKeys.map((key) => key.slice(0, key.lastIndexOf('/') + 1)))
      await store.delete(keys)
      for (const prefix of prefixes) {
        const left = await store.list({ prefix })
        await store.delete(left.map(({ key }) => key))
      }
    },
  }),
}

const boundaries = new WeakMap<World, string>()

/** What a store with one overwritten object would say: what landed last. */
export const boundaryOverwritten: PlantedBug = {
  name: 'boundary-overwritten',
  about: 'R10: the boundary is what was written last, not the highest',
  store: (store: ObjectStore, _process, world) => ({
    ...store,
    async putIfAbsent(key, body) {
      const answer = await store.putIfAbsent(key, body)
      if (key.startsWith(METADATA_BOUNDARY_PREFIX)) boundaries.set(world, key)
      return answer
    },
    async list(request) {
      const found = await store.list(request)
      if (!request.prefix.startsWith(METADATA_BOUNDARY_PREFIX)) return found
      return found.filter(({ key }) => key === boundaries.get(world))
    },
  }),
}

interface Reader {
  readonly boundary: number
  readBoundary(): Promise<number>
}

/** The second node never looks; the first one trims, and must. */
export const boundaryNotRead: PlantedBug = {
  name: 'boundary-not-read',
  about: 'R10: a node does not read the boundary after what it wrote and read',
  started(node: Node) {
    if (node.nodeId !== 2) return
    const { reader } = node.log as unknown as { reader: Reader }
    reader.readBoundary = async () => reader.boundary
  },
}
