import type { Random } from '../../base/random.ts'
import type { ImageState, NodeEntry, TopicEntry } from '../image.ts'
import type { MetadataRecord, Ownership } from '../records.ts'

const ADDRESS = { host: 'node', port: 9092, internalHost: 'node', internalPort: 9093 }

/** A node's registration under the id that is next in `image`. */
export function registration(image: ImageState, nonce = 'nonce'): MetadataRecord {
  const { nextNodeId: nodeId } = image.scalars
  return {
    type: 'node-registered',
    nodeId,
    nonce,
    address: ADDRESS,
    rack: null,
    version: '1',
    atMs: 1,
  }
}

/** The ownership that follows `old` when `nodeId` takes over or moves in. */
export function succession(old: Ownership, nodeId: number): Ownership {
  return {
    nodeId,
    leaderEpoch: old.leaderEpoch + 1,
    from: [{ nodeId: old.nodeId, leaderEpoch: old.leaderEpoch }, ...old.from],
    refs: [...new Set([...old.refs, old.nodeId])].filter((id) => id !== nodeId),
  }
}

interface Context {
  readonly image: ImageState
  readonly random: Random
  readonly living: readonly NodeEntry[]
  readonly topics: readonly TopicEntry[]
}

type Maker = (context: Context) => MetadataRecord[]

function one<T>(random: Random, items: readonly T[]): T | undefined {
  return items[random.below(Math.max(1, items.length))]
}

function owners({ random, living }: Context): number[] {
  const count = living.length === 0 ? 0 : 1 + random.below(5)
  return Array.from({ length: count }, () => one(random, living)?.nodeId ?? 0)
}

function onOwnership(
  { random, topics }: Context,
  change: (old: Ownership) => Ownership | null,
): MetadataRecord[] {
  const topic = one(random, topics)
  const partition = random.below(topic?.partitions.length ?? 1)
  const old = topic?.partitions[partition]
  const next = old && change(old)
  if (!topic || !next) return []
  return [{ type: 'ownership', topicId: topic.topicId, partition, ...next }]
}

function seal({ image, random, living, topics }: Context): MetadataRecord[] {
  const node = one(random, living)
  const others = living.filter((other) => other !== node)
  if (!node || others.length === 0) return []
  const records: MetadataRecord[] = [
    { type: 'node-sealed', nodeId: node.nodeId, sealedEnd: random.below(1_000) },
  ]
  for (const { topicId, partitions } of topics) {
    for (const [partition, old] of partitions.entries()) {
      if (old.nodeId !== node.nodeId) continue
      const nodeId = one(random, others)?.nodeId ?? 0
      records.push({ type: 'ownership', topicId, partition, ...succession(old, nodeId) })
    }
  }
  return image.nodes.get(node.nodeId) === node ? records : []
}

const MAKERS: readonly Maker[] = [
  ({ image }) => [registration(image)],
  seal,
  ({ image }) => {
    const gone = [...image.nodes.values()].filter(
      ({ nodeId, state }) => state === 'sealed' && !image.nodeUses.has(nodeId),
    )
    return gone.slice(0, 1).map(({ nodeId }) => ({ type: 'node-gone', nodeId }))
  },
  ({ random, living }) => {
    const node = one(random, living)
    if (!node) return []
    return [{ type: 'node-draining', nodeId: node.nodeId, draining: random.below(2) === 0 }]
  },
  (context) => {
    const topicId = context.random.bytes(8).toString('hex')
    const made = owners(context)
    if (made.length === 0) return []
    const configs = { 'retention.ms': '1' }
    const name = `t-${topicId}`
    return [{ type: 'topic-created', topicId, name, owners: made, configs, atMs: 1 }]
  },
  (context) => {
    const topicId = one(context.random, context.topics)?.topicId
    const added = owners(context)
    if (!topicId || added.length === 0) return []
    return [{ type: 'partitions-added', topicId, owners: added }]
  },
  ({ random, topics }) => {
    const topicId = random.below(4) === 0 && one(random, topics)?.topicId
    return topicId ? [{ type: 'topic-deleted', topicId }] : []
  },
  ({ random, topics }) => {
    const name = one(random, topics)?.name
    const value = random.below(3) === 0 ? null : String(random.below(10))
    if (name === undefined) return []
    return [{ type: 'config', scope: 'topic', name, key: `k${random.below(3)}`, value }]
  },
  ({ random }) => {
    const value = random.below(3) === 0 ? null : String(random.below(10))
    return [{ type: 'config', scope: 'group', name: 'g', key: `k${random.below(3)}`, value }]
  },
  // A planned move.
  (context) => {
    const target = one(context.random, context.living)
    return onOwnership(context, (old) => {
      const owner = context.image.nodes.get(old.nodeId)
      if (!target || old.from.length > 0 || owner?.state === 'sealed') return null
      return succession(old, target.nodeId)
    })
  },
  // The owner has made a checkpoint.
  (context) =>
    onOwnership(context, (old) => ({
      ...old,
      from: [],
      refs: old.refs.filter(() => context.random.below(2) === 0),
    })),
  ({ image, random }) => {
    const nextProducerId = image.scalars.nextProducerId + 1 + random.below(1_000)
    return [{ type: 'producer-ids', nodeId: 1, nextProducerId }]
  },
  ({ image, random, living }) => {
    const term = (image.scalars.controller?.term ?? 0) + 1
    const nodeId = random.below(2) === 0 ? null : (one(random, living)?.nodeId ?? null)
    return [{ type: 'controller', holder: `h${random.below(3)}`, nodeId, term }]
  },
]

/** Records that may follow `image`; none where the kind that was drawn has nothing to do. */
export function randomRecords(image: ImageState, random: Random): MetadataRecord[] {
  const living = [...image.nodes.values()].filter(({ state }) => state !== 'sealed')
  const context: Context = { image, random, living, topics: [...image.topics.values()] }
  return (one(random, MAKERS) as Maker)(context)
}
