import { assert } from '../base/assert.ts'
import type { ObjectIdentity } from '../object-store/header.ts'
import { objectKind } from '../object-store/header.ts'
import type { Body } from '../object-store/store.ts'
import { corrupt, decodeFramed, encodeFramed, parseJson } from './framing.ts'
import type { Image, ImageScalars, NodeEntry, TopicEntry } from './image.ts'
import { countOwnership, emptyImage } from './image.ts'
import { metadataSnapshotKey } from './keys.ts'
import { NonceWindow } from './nonces.ts'
import type { Ownership, PastOwner } from './records.ts'

/** 1,000,000 partitions with a past take about 40 MB: far from it. */
const SNAPSHOT_BYTES_MAX = 512 * 1024 * 1024

const LAYOUT_VERSION = 1

/** A state of the metadata log: the image at `seq`, and who wrote the batches that led there. */
export interface MetadataState {
  readonly seq: number
  readonly image: Image
  readonly nonces: NonceWindow
}

/**
 * A topic, flat: most partitions have an owner and an epoch and nothing else, so these are two
 * arrays of numbers; `pasts` is sparse.
 */
type FlatTopic = [
  topicId: string,
  name: string,
  configs: Readonly<Record<string, string>>,
  owners: number[],
  leaderEpochs: number[],
  /** partition, `from` as node and epoch in turn, `refs`. */
  pasts: [partition: number, from: number[], refs: readonly number[]][],
]

interface FlatImage {
  version: number
  scalars: ImageScalars
  nodes: NodeEntry[]
  topics: FlatTopic[]
  configs: [string, string][]
  /** base64 */
  nonces: string
}

function flatTopic(topic: TopicEntry): FlatTopic {
  const owners: number[] = []
  const leaderEpochs: number[] = []
  const pasts: FlatTopic[5] = []
  for (const [partition, { nodeId, leaderEpoch, from, refs }] of topic.partitions.entries()) {
    owners.push(nodeId)
    leaderEpochs.push(leaderEpoch)
    if (from.length + refs.length === 0) continue
    pasts.push([partition, from.flatMap((past) => [past.nodeId, past.leaderEpoch]), refs])
  }
  return [topic.topicId, topic.name, topic.configs, owners, leaderEpochs, pasts]
}

const NO_PAST: Ownership['from'] = Object.freeze([])
const NO_REFS: Ownership['refs'] = Object.freeze([])

function topicOf(flat: FlatTopic): TopicEntry {
  const [topicId, name, configs, owners, leaderEpochs, pasts] = flat
  assert(owners.length === leaderEpochs.length, `topic ${name} has an epoch per owner`)
  const partitions: Ownership[] = []
  for (let partition = 0; partition < owners.length; partition++) {
    const nodeId = owners[partition] as number
    const leaderEpoch = leaderEpochs[partition] as number
    partitions.push({ nodeId, leaderEpoch, from: NO_PAST, refs: NO_REFS })
  }
  for (const [partition, from, refs] of pasts) {
    const plain = partitions[partition]
    assert(plain, `topic ${name} has partition ${partition}`)
    partitions[partition] = { ...plain, from: pastOf(from), refs }
  }
  return { topicId, name, configs, partitions }
}

function pastOf(flat: readonly number[]): PastOwner[] {
  const past: PastOwner[] = []
  for (let index = 0; index + 1 < flat.length; index += 2) {
    past.push({ nodeId: flat[index] as number, leaderEpoch: flat[index + 1] as number })
  }
  return past
}

/** The object of a snapshot; `identity.seq` is the state's seq. Runs through every partition. */
export function encodeSnapshot(identity: ObjectIdentity, state: MetadataState): Body {
  const { image, nonces, seq } = state
  assert(identity.seq === seq && nonces.lastSeq === seq, 'a snapshot is of one seq')
  const flat: FlatImage = {
    version: LAYOUT_VERSION,
    scalars: image.scalars,
    nodes: [...image.nodes.values()],
    topics: Array.from(image.topics.values(), flatTopic),
    configs: [...image.configs],
    nonces: nonces.toBytes().toString('base64'),
  }
  return encodeFramed(objectKind.metadataSnapshot, identity, Buffer.from(JSON.stringify(flat)))
}

/** Reads the snapshot of `seq`. Throws StoreError `corrupt`. */
export function decodeSnapshot(seq: number, bytes: Buffer): MetadataState {
  const key = metadataSnapshotKey(seq)
  const { payload } = decodeFramed(key, bytes, {
    kind: objectKind.metadataSnapshot,
    seq,
    bytesMax: SNAPSHOT_BYTES_MAX,
  })
  const flat = parseJson(key, payload) as FlatImage | null
  if (flat?.version !== LAYOUT_VERSION) {
    throw corrupt(key, `this release does not know layout ${JSON.stringify(flat?.version)}`)
  }
  try {
    return { seq, image: imageOf(flat), nonces: new NonceWindow(seq, nonceBytes(flat)) }
  } catch (error) {
    throw corrupt(key, 'its image is not well-formed', error)
  }
}

function nonceBytes(flat: FlatImage): Buffer {
  return Buffer.from(flat.nonces, 'base64')
}

function imageOf(flat: FlatImage): Image {
  const image = emptyImage()
  Object.assign(image.scalars, flat.scalars)
  for (const node of flat.nodes) image.nodes.set(node.nodeId, node)
  for (const [key, value] of flat.configs) image.configs.set(key, value)
  for (const topic of flat.topics) {
    const entry = topicOf(topic)
    image.topics.set(entry.topicId, entry)
    image.topicIds.set(entry.name, entry.topicId)
    for (const ownership of entry.partitions) countOwnership(image, ownership, 1)
  }
  return image
}
