/** One owner of a partition in the past: the node, and the leader epoch it owned it at (R1). */
export interface PastOwner {
  readonly nodeId: number
  readonly leaderEpoch: number
}

/**
 * An entry of the ownership map. `from`, newest first, lists where the partition's hot state may
 * still have to be looked for; `refs` lists the other nodes whose objects hold data of the
 * partition (R1, R5).
 */
export interface Ownership {
  readonly nodeId: number
  readonly leaderEpoch: number
  readonly from: readonly PastOwner[]
  readonly refs: readonly number[]
}

/** What clients of one listener are told to connect to. */
export interface NodeListener {
  /** Lower case; every node is to have the same names. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly security: 'plaintext' | 'tls'
}

/**
 * Where to reach a node: its listeners for Kafka clients, `internalPort` for other nodes. `host`
 * and `port` are those of the first listener. A node without `listeners` has just that one, for
 * all clients: there was only one once.
 */
export interface NodeAddress {
  readonly host: string
  readonly port: number
  readonly listeners?: readonly NodeListener[]
  readonly internalHost: string
  readonly internalPort: number
}

/** The address of a node for the clients of a listener; null where it has no such listener. */
export function addressFor(
  address: NodeAddress,
  listener: string,
): { readonly host: string; readonly port: number } | null {
  if (address.listeners === undefined) return address
  return address.listeners.find(({ name }) => name === listener) ?? null
}

export type ConfigScope = 'topic' | 'broker' | 'group' | 'client-metrics' | 'cluster'

/**
 * Everything that ever changes in a cluster's metadata. A record states new values, not
 * differences, wherever it can; `metadata/invariants.ts` says what must hold before it is appended.
 */
export type MetadataRecord =
  /** The first record of a cluster. `secret` (base64) authenticates calls between nodes. */
  | { type: 'cluster'; clusterId: string; secret: string; createdMs: number }
  /** The store passed the race probe (design §2). */
  | { type: 'store-probed'; atMs: number; rounds: number; racers: number }
  /** `nodeId` must be the image's `nextNodeId`: ids are never reused. */
  | {
      type: 'node-registered'
      nodeId: number
      nonce: string
      address: NodeAddress
      rack: string | null
      version: string
      atMs: number
    }
  | { type: 'node-draining'; nodeId: number; draining: boolean }
  /** The node's WAL ends before `sealedEnd`: keys at or above it are never read (R3, R8). */
  | { type: 'node-sealed'; nodeId: number; sealedEnd: number }
  /** Every object of the sealed node but its fence is deleted; the image forgets the node. */
  | { type: 'node-gone'; nodeId: number }
  /** Who runs the controller. `nodeId` is null for the operator, which has no node. */
  | { type: 'controller'; holder: string; nodeId: number | null; term: number }
  /** `owners[i]` owns partition i at epoch 0. */
  | {
      type: 'topic-created'
      topicId: string
      name: string
      owners: readonly number[]
      configs: Readonly<Record<string, string>>
      atMs: number
    }
  /** Appends partitions to a topic, owned at epoch 0 by `owners`. */
  | { type: 'partitions-added'; topicId: string; owners: readonly number[] }
  | { type: 'topic-deleted'; topicId: string }
  /** `value` null removes the setting. `name` is '' for a scope's default. */
  | { type: 'config'; scope: ConfigScope; name: string; key: string; value: string | null }
  | ({ type: 'ownership'; topicId: string; partition: number } & Ownership)
  /** Producer ids [image.nextProducerId, nextProducerId) belong to `nodeId` from now on. */
  | { type: 'producer-ids'; nodeId: number; nextProducerId: number }

export type MetadataRecordOf<T extends MetadataRecord['type']> = Extract<
  MetadataRecord,
  { type: T }
>
