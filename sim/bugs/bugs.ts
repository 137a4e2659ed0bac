import type { Node } from '../../broker/node.ts'
import { type AppendWaiter, Partition } from '../../broker/partition/partition.ts'
import { PartitionManager } from '../../broker/partition/partition-manager.ts'
import { ProducerStates } from '../../broker/partition/producer-states.ts'
import { seqOfKey } from '../../metadata/keys.ts'
import { encodeHeader, HEADER_BYTES, objectKind } from '../../object-store/header.ts'
import { decodeHeader } from '../../object-store/header.ts'
import { bodyBytes, type ObjectStore } from '../../object-store/store.ts'
import type { Plant } from '../cluster.ts'

/** A bug that is planted around the real code, to show that the checkers would find it. */
export interface PlantedBug extends Plant {
  readonly name: string
  readonly about: string
}

/** Says `created` while the PUT is still on its way. */
const ackBeforeDurable: PlantedBug = {
  name: 'ack-before-durable',
  about: 'the WAL is acknowledged when a PUT is sent, not when it is answered',
  store: (store) => ({
    ...store,
    async putIfAbsent(key, body) {
      if (!key.startsWith('wal/')) return store.putIfAbsent(key, body)
      // Sent as a copy: the memory is free as soon as the writer believes in durability.
      store.putIfAbsent(key, [Buffer.concat(body)]).catch(() => undefined)
      return 'created'
    },
  }),
}

function isFence(key: string, body: readonly Uint8Array[]): boolean {
  return key.startsWith('wal/') && bodyBytes(body) === HEADER_BYTES
}

/** Another key than the first gap: the node goes on below it. */
const fenceAtWrongKey: PlantedBug = {
  name: 'fence-at-wrong-key',
  about: 'a fence is put three keys above the sealed end',
  store: (store) => ({
    ...store,
    putIfAbsent(key, body) {
      if (!isFence(key, body)) return store.putIfAbsent(key, body)
      const slash = key.lastIndexOf('/') + 1
      const seq = Number(key.slice(slash)) + 3
      return store.putIfAbsent(key.slice(0, slash) + String(seq).padStart(20, '0'), body)
    },
  }),
}

/** Whatever the header says: the writer's own earlier try is taken for a fence. */
const existsMeansFenced: PlantedBug = {
  name: 'exists-means-fenced',
  about: 'a 412 on a WAL key is taken for a fence without a look at what is there',
  store: (store) => {
    const lost = new Set<string>()
    return {
      ...store,
      async putIfAbsent(key, body) {
        const answer = await store.putIfAbsent(key, body)
        if (answer === 'exists' && key.startsWith('wal/')) lost.add(key)
        return answer
      },
      async get(key, range) {
        const bytes = await store.get(key, range)
        if (!lost.delete(key) || bytes === null) return bytes
        const { nodeId, seq } = decodeHeader(key, bytes)
        return encodeHeader(objectKind.walFence, { nodeId, seq, nonce: Buffer.alloc(16) })
      },
    }
  },
}

/** What is pending is written as if it were durable. */
const producersBeforeDurable: PlantedBug = {
  name: 'producers-before-durable',
  about: 'checkpoints, open and close entries hold the producers of batches that are not durable',
  begin() {
    const { encode } = ProducerStates.prototype
    ProducerStates.prototype.encode = function (writer) {
      encode.call(this, writer, Number.POSITIVE_INFINITY)
    }
    return () => {
      ProducerStates.prototype.encode = encode
    }
  },
}

/** An older checkpoint in the place of the newest one, whose seq the reading begins behind. */
const staleCheckpoint: PlantedBug = {
  name: 'stale-checkpoint',
  about: 'a takeover takes the checkpoint it had read before the newest one was written',
  store: (store) => withStaleCheckpoints(store),
}

function withStaleCheckpoints(store: ObjectStore): ObjectStore {
  return {
    ...store,
    async get(key, range) {
      if (!key.startsWith('ckpt/')) return store.get(key, range)
      const prefix = key.slice(0, key.lastIndexOf('/') + 1)
      const older = (await store.list({ prefix })).filter((found) => found.key < key).at(-1)
      const stale = older === undefined ? null : await store.get(older.key)
      if (older === undefined || stale === null) return store.get(key, range)
      // As a cache would: what was read then stands for what is asked for now.
      const { kind, nodeId, nonce, own } = decodeHeader(older.key, stale)
      const header = encodeHeader(kind, { nodeId, seq: seqOfKey(key), nonce }, own)
      return Buffer.concat([header, stale.subarray(HEADER_BYTES)])
    },
  }
}

/** The newest thing that a past owner knows of a partition, of whatever epoch. */
const fromWithoutEpochs: PlantedBug = {
  name: 'from-without-epochs',
  about: 'the state of any epoch counts for an entry of `from`',
  started: (node) => forgetEpochs(node),
}

interface Past {
  readonly nodeId: number
  readonly leaderEpoch: number
}
interface Epoch {
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
}
interface Finder {
  scan(past: Past, sealedEnd: number | null, epoch: Epoch): Promise<unknown>
}

function forgetEpochs(node: Node): void {
  const { finder } = node.partitions as unknown as { finder: Finder }
  const scan = finder.scan.bind(finder)
  finder.scan = async (past, sealedEnd, epoch) => {
    for (let leaderEpoch = epoch.leaderEpoch; leaderEpoch >= 0; leaderEpoch--) {
      const found = await scan(past, sealedEnd, { ...epoch, leaderEpoch })
      if (found !== null) return found
    }
    return null
  }
}

/** A closed epoch is forgotten once its close is durable, whoever may still have to read it. */
const closedForgotten: PlantedBug = {
  name: 'closed-forgotten',
  about: 'checkpoints hold no closed epochs',
  begin() {
    const { closedEpochs } = PartitionManager.prototype
    PartitionManager.prototype.closedEpochs = function* () {}
    return () => {
      PartitionManager.prototype.closedEpochs = closedEpochs
    }
  },
}

interface Duplicates {
  answerDuplicate(waiting: { waiter: AppendWaiter; index: number; baseOffset: number }): void
}

/** The original is in flight, and may never land. */
const duplicateBeforeDurable: PlantedBug = {
  name: 'duplicate-before-durable',
  about: 'a retry is acknowledged while its original is still in flight',
  begin() {
    const prototype = Partition.prototype as unknown as Duplicates
    const { answerDuplicate } = prototype
    prototype.answerDuplicate = ({ waiter, index, baseOffset }) => {
      waiter.appended(index, { error: null, baseOffset, logStartOffset: 0 })
    }
    return () => {
      prototype.answerDuplicate = answerDuplicate
    }
  },
}

export const plantedBugs: readonly PlantedBug[] = [
  ackBeforeDurable,
  fenceAtWrongKey,
  existsMeansFenced,
  producersBeforeDurable,
  staleCheckpoint,
  fromWithoutEpochs,
  closedForgotten,
  duplicateBeforeDurable,
]
