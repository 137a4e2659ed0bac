import { assert, present } from '../base/assert.ts'
import type { ConfigScope, MetadataRecord, NodeAddress, Ownership } from './records.ts'

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
  set(key: K, value: V): unknown
  delete(key: K): unknown
}

/** What records are applied to: an image, or a draft over one. Entries are immutable values. */
export interface ImageState {
  readonly scalars: ImageScalars
  readonly nodes: Table<number, NodeEntry>
  readonly topics: Table<string, TopicEntry>
  readonly topicIds: Table<string, string>
  readonly configs: Table<string, string>
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
}

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

function fresh(nodeId: number): Ownership {
  return { nodeId, leaderEpoch: 0, from: [], refs: [] }
}

/** Applies one record. Throws an invariant error where the record cannot be applied at all. */
export function applyRecord(state: ImageState, record: MetadataRecord): void {
  const { scalars, nodes, topics } = state
  const nodeOf = (nodeId: number): NodeEntry => present(nodes.get(nodeId), `node ${nodeId}`)
  const topicOf = (topicId: string): TopicEntry => present(topics.get(topicId), `topic ${topicId}`)
  switch (record.type) {
    case 'cluster':
      scalars.clusterId = record.clusterId
      scalars.secret = record.secret
      return
    case 'store-probed':
      scalars.storeProbed = true
      return
    case 'node-registered': {
      const { nodeId, nonce, address, rack, version } = record
      const entry: NodeEntry = {
        nodeId, nonce, address, rack, version, state: 'active', sealedEnd: null,
      }
      nodes.set(nodeId, entry)
      scalars.nextNodeId = nodeId + 1
      return
    }
    case 'node-draining': {
      const node = nodeOf(record.nodeId)
      nodes.set(record.nodeId, { ...node, state: record.draining ? 'draining' : 'active' })
      return
    }
    case 'node-sealed':
      nodes.set(record.nodeId, {
        ...nodeOf(record.nodeId), state: 'sealed', sealedEnd: record.sealedEnd,
      })
      return
    case 'node-gone':
      nodes.delete(record.nodeId)
      return
    case 'controller': {
      const { holder, nodeId, term } = record
      scalars.controller = { holder, nodeId, term }
      return
    }
    case 'topic-created': {
      const { topicId, name, configs, owners } = record
      topics.set(topicId, { topicId, name, configs, partitions: owners.map(fresh) })
      state.topicIds.set(name, topicId)
      return
    }
    case 'partitions-added': {
      const topic = topicOf(record.topicId)
      const partitions = [...topic.partitions, ...record.owners.map(fresh)]
      topics.set(topic.topicId, { ...topic, partitions })
      return
    }
    case 'topic-deleted': {
      const topic = topicOf(record.topicId)
      topics.delete(topic.topicId)
      state.topicIds.delete(topic.name)
      return
    }
    case 'config':
      applyConfig(state, record)
      return
    case 'ownership': {
      const topic = topicOf(record.topicId)
      const { nodeId, leaderEpoch, from, refs } = record
      assert(record.partition < topic.partitions.length, `${topic.name} has no such partition`)
      const partitions = topic.partitions.slice()
      partitions[record.partition] = { nodeId, leaderEpoch, from, refs }
      topics.set(topic.topicId, { ...topic, partitions })
      return
    }
    case 'producer-ids':
      scalars.nextProducerId = record.nextProducerId
      return
  }
}

function applyConfig(state: ImageState, record: MetadataRecord & { type: 'config' }): void {
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
