import { assert, present } from '../base/assert.ts'
import type {
  ConfigScope,
  MetadataRecord,
  MetadataRecordOf,
  NodeAddress,
  Ownership,
} from './records.ts'

export type NodeState = 'active' | 'draining' | 'sealed'

export interface NodeEntry {
  readonly nodeId: number
  readonly nonce: string
  readonly address: NodeAddress
  readonly rack: string | null
  readonly version: string
  readonly state: NodeState
  /** Set once the node is sealed: the first WAL seq that is not the node's. */
  readonly sealedEnd: number | null
}

export interface TopicEntry {
  readonly topicId: string
  readonly name: string
  readonly configs: Readonly<Record<string, string>>
  readonly partitions: readonly Ownership[]
}

export interface ControllerEntry {
  readonly holder: string
  readonly nodeId: number | null
  readonly term: number
}

/** The single values of an image. */
export interface ImageScalars {
  clusterId: string | null
  secret: string | null
  storeProbed: boolean
  nextNodeId: number
  nextProducerId: number
  controller: ControllerEntry | null
}

/** The part of Map that the image needs, so that a draft can lie over an image. */
export interface Table<K, V> {
  get(key: K): V | undefined
  has(key: K): boolean
  set(key: K, value: V): unknown
  delete(key: K): unknown
  keys(): Iterable<K>
  values(): Iterable<V>
  entries(): Iterable<[K, V]>
}

/** What records are applied to: an image, or a draft over one. Entries are immutable values. */
export interface ImageState {
  readonly scalars: ImageScalars
  readonly nodes: Table<number, NodeEntry>
  readonly topics: Table<string, TopicEntry>
  readonly topicIds: Table<string, string>
  readonly configs: Table<string, string>
  /**
   * Node id → how often the node stands in ownerships, as owner, in `from` or in `refs`. Absent
   * means never: such a node, once sealed, can go (R5). Kept so that nobody scans a million.
   */
  readonly nodeUses: Table<number, number>
  /** Node id → how many partitions it owns. Absent means none. */
  readonly ownedCounts: Table<number, number>
  /** Replaces one ownership of a topic that exists. Without it the topic's entry is replaced. */
  setOwnership?(topicId: string, partition: number, ownership: Ownership): void
}

/** The key of a dynamic config in `image.configs`. */
export function configKey(scope: ConfigScope, name: string, key: string): string {
  return `${scope}\n${name}\n${key}`
}

/** The state folded from the metadata log. Only the metadata log changes it. */
export interface Image extends ImageState {
  readonly nodes: Map<number, NodeEntry>
  readonly topics: Map<string, TopicEntry>
  /** Topic name → topic id. */
  readonly topicIds: Map<string, string>
  readonly configs: Map<string, string>
  readonly nodeUses: Map<number, number>
  readonly ownedCounts: Map<number, number>
}

/** The tables of an image, for whoever does the same with each of them. */
export const IMAGE_TABLES = [
  'nodes',
  'topics',
  'topicIds',
  'configs',
  'nodeUses',
  'ownedCounts',
] as const

export function emptyImage(): Image {
  return {
    scalars: {
      clusterId: null,
      secret: null,
      storeProbed: false,
      nextNodeId: 1,
      nextProducerId: 0,
      controller: null,
    },
    nodes: new Map(),
    topics: new Map(),
    topicIds: new Map(),
    configs: new Map(),
    nodeUses: new Map(),
    ownedCounts: new Map(),
  }
}

/** The ownership of a partition, or undefined when there is no such partition. */
export function ownershipOf(
  image: ImageState,
  topicId: string,
  partition: number,
): Ownership | undefined {
  return image.topics.get(topicId)?.partitions[partition]
}

const NO_PAST: Ownership['from'] = Object.freeze([])
const NO_REFS: Ownership['refs'] = Object.freeze([])

function fresh(nodeId: number): Ownership {
  return { nodeId, leaderEpoch: 0, from: NO_PAST, refs: NO_REFS }
}

/** The counts that an image keeps of its ownerships. */
type Counts = Pick<ImageState, 'nodeUses' | 'ownedCounts'>

/** Counts an ownership that comes (1) or goes (-1). */
export function countOwnership(counts: Counts, ownership: Ownership, change: 1 | -1): void {
  count(counts.ownedCounts, ownership.nodeId, change)
  countUses(counts.nodeUses, ownership, change)
}

function countUses(uses: Table<number, number>, ownership: Ownership, change: 1 | -1): void {
  count(uses, ownership.nodeId, change)
  for (const past of ownership.from) count(uses, past.nodeId, change)
  for (const nodeId of ownership.refs) count(uses, nodeId, change)
}

function count(counts: Table<number, number>, nodeId: number, change: 1 | -1): void {
  const counted = (counts.get(nodeId) ?? 0) + change
  assert(counted >= 0, `node ${nodeId} is counted less than never`)
  if (counted === 0) counts.delete(nodeId)
  else counts.set(nodeId, counted)
}

/** Applies one record. Throws an invariant error where the record cannot be applied at all. */
export function applyRecord(state: ImageState, record: MetadataRecord): void {
  const { scalars } = state
  switch (record.type) {
    case 'cluster':
      scalars.clusterId = record.clusterId
      scalars.secret = record.secret
      return
    case 'store-probed':
      scalars.storeProbed = true
      return
    case 'node-registered':
    case 'node-draining':
    case 'node-sealed':
    case 'node-gone':
      applyNode(state, record)
      return
    case 'controller': {
      const { holder, nodeId, term } = record
      scalars.controller = { holder, nodeId, term }
      return
    }
    case 'topic-created':
    case 'partitions-added':
    case 'topic-deleted':
      applyTopic(state, record)
      return
    case 'config':
      applyConfig(state, record)
      return
    case 'ownership':
      applyOwnership(state, record)
      return
    case 'producer-ids':
      scalars.nextProducerId = record.nextProducerId
      return
  }
}

function applyNode(
  state: ImageState,
  record: MetadataRecordOf<'node-registered' | 'node-draining' | 'node-sealed' | 'node-gone'>,
): void {
  const { nodes } = state
  const { nodeId } = record
  if (record.type === 'node-registered') {
    const { nonce, address, rack, version } = record
    nodes.set(nodeId, { nodeId, nonce, address, rack, version, state: 'active', sealedEnd: null })
    state.scalars.nextNodeId = nodeId + 1
    return
  }
  const node = present(nodes.get(nodeId), `node ${nodeId}`)
  if (record.type === 'node-gone') nodes.delete(nodeId)
  else if (record.type === 'node-sealed') {
    nodes.set(nodeId, { ...node, state: 'sealed', sealedEnd: record.sealedEnd })
  } else nodes.set(nodeId, { ...node, state: record.draining ? 'draining' : 'active' })
}

function applyTopic(
  state: ImageState,
  record: MetadataRecordOf<'topic-created' | 'partitions-added' | 'topic-deleted'>,
): void {
  const { topics, topicIds } = state
  if (record.type === 'topic-created') {
    const { topicId, name, configs } = record
    const partitions = record.owners.map(fresh)
    for (const ownership of partitions) countOwnership(state, ownership, 1)
    topics.set(topicId, { topicId, name, configs, partitions })
    topicIds.set(name, topicId)
    return
  }
  const topic = present(topics.get(record.topicId), `topic ${record.topicId}`)
  if (record.type === 'topic-deleted') {
    for (const ownership of topic.partitions) countOwnership(state, ownership, -1)
    topics.delete(topic.topicId)
    topicIds.delete(topic.name)
    return
  }
  const added = record.owners.map(fresh)
  for (const ownership of added) countOwnership(state, ownership, 1)
  topics.set(topic.topicId, { ...topic, partitions: [...topic.partitions, ...added] })
}

function applyOwnership(state: ImageState, record: MetadataRecordOf<'ownership'>): void {
  const topic = present(state.topics.get(record.topicId), `topic ${record.topicId}`)
  const { partition, nodeId, leaderEpoch, from, refs } = record
  const old = present(topic.partitions[partition], `partition ${partition} of ${topic.name}`)
  const ownership: Ownership = { nodeId, leaderEpoch, from, refs }
  countOwnership(state, ownership, 1)
  countOwnership(state, old, -1)
  if (state.setOwnership) {
    state.setOwnership(topic.topicId, partition, ownership)
    return
  }
  const partitions = topic.partitions.slice()
  partitions[partition] = ownership
  state.topics.set(topic.topicId, { ...topic, partitions })
}

function applyConfig(state: ImageState, record: MetadataRecordOf<'config'>): void {
  if (record.scope === 'topic') {
    const topicId = present(state.topicIds.get(record.name), `topic ${record.name}`)
    const topic = present(state.topics.get(topicId), `topic ${topicId}`)
    const { [record.key]: _old, ...rest } = topic.configs
    const configs = record.value === null ? rest : { ...rest, [record.key]: record.value }
    state.topics.set(topicId, { ...topic, configs })
    return
  }
  const key = configKey(record.scope, record.name, record.key)
  if (record.value === null) state.configs.delete(key)
  else state.configs.set(key, record.value)
}
