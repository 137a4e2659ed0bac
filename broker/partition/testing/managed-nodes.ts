import type { Logger } from '../../../base/log.ts'
import { silentLogger } from '../../../base/log.ts'
import { seededRandom } from '../../../base/random.ts'
import type { VirtualClock } from '../../../base/testing/virtual-clock.ts'
import { fenceNode } from '../../../controller/fence.ts'
import { succession } from '../../../controller/takeover.ts'
import { type Image, ownershipOf } from '../../../metadata/image.ts'
import type { MetadataLog } from '../../../metadata/log.ts'
import type { MetadataRecord, Ownership } from '../../../metadata/records.ts'
import { registration } from '../../../metadata/testing/random-records.ts'
import { world } from '../../../metadata/testing/world.ts'
import type { ObjectStore } from '../../../object-store/store.ts'
import { WalWriter } from '../../wal/writer.ts'
import { Checkpointer } from '../checkpointer.ts'
import type { ClosedEpoch } from '../handoff.ts'
import type { Partition } from '../partition.ts'
import { PartitionManager } from '../partition-manager.ts'
import { TailCache } from '../tail-cache.ts'
import { batchOf, GarbagePool, type Produced, Told } from './partition-world.ts'

/** A node as broker/node.ts puts it together, without controller and calls. */
export class ManagedNode {
  readonly nodeId: number
  readonly log: MetadataLog
  readonly store: ObjectStore
  readonly wal: WalWriter
  readonly manager: PartitionManager
  readonly checkpointer: Checkpointer
  readonly pool = new GarbagePool()
  readonly errors: string[] = []
  /** Whether what it hands over gets lost. */
  losesHints = false
  fencedAt: number | null = null
  private readonly owner: ManagedNodes

  constructor(owner: ManagedNodes, log: MetadataLog, nodeId: number, store: ObjectStore) {
    this.owner = owner
    this.log = log
    this.nodeId = nodeId
    this.store = store
    const { clock } = owner
    const random = seededRandom(nodeId)
    this.wal = new WalWriter({
      nodeId,
      store,
      clock,
      random,
      settings: { lingerMsMin: 0, lingerMsMax: 20, objectBytesTarget: 2_000, putsInFlightMax: 4 },
      observer: {
        objectDurable: (_seq, { indexBytes }) => this.checkpointer.objectDurable(indexBytes),
      },
      onFenced: (seq) => {
        this.fencedAt = seq
        this.end()
      },
      onFault: (error) => this.errors.push(String(error)),
    })
    const logger: Logger = {
      ...silentLogger,
      error: (message, fields) => this.errors.push(`${message}: ${String(fields?.['error'])}`),
    }
    this.manager = new PartitionManager({
      nodeId,
      wal: this.wal,
      store,
      clock,
      logger,
      tailCache: new TailCache(1024 * 1024),
      image: () => log.image,
      sendHandoff: (target, epochs) => this.handOver(target, epochs),
      onTakenOver: () => this.checkpointer.request(),
    })
    this.checkpointer = new Checkpointer({
      nodeId,
      store,
      clock,
      random,
      logger: silentLogger,
      log,
      wal: this.wal,
      manager: this.manager,
      producerExpiryMs: 86_400_000,
      objectsBetweenMax: owner.checkpointObjectsMax,
    })
    log.writerNodeId = nodeId
    log.onApplied(({ touched }) => {
      if (this.log.image.nodes.get(nodeId)?.state !== 'sealed') this.manager.imageChanged(touched)
    })
    this.manager.imageChanged('all')
  }

  private handOver(target: number, epochs: readonly ClosedEpoch[]): void {
    if (!this.losesHints) this.owner.byId(target).manager.receiveHandoff(this.nodeId, epochs)
  }

  get(topicId: string, partition = 0): Partition {
    const found = this.manager.get(topicId, partition)
    if (found === undefined) throw new Error(`node ${this.nodeId} has no ${topicId}/${partition}`)
    return found
  }

  append(topicId: string, produced: Produced): Told {
    const told = new Told()
    const { batch, frame } = batchOf(this.pool, produced)
    this.get(topicId).append(batch, told, 0)
    frame.release()
    return told
  }

  /** As if the process were killed: nothing of it happens any more, but what was PUT may land. */
  end(): void {
    this.wal.stop()
    this.checkpointer.stop()
    this.manager.stop()
    void this.log.stop()
  }
}

/** Several nodes over one store, in virtual time; a test plays the controller. */
export class ManagedNodes {
  readonly clock: VirtualClock
  readonly store: ObjectStore
  readonly checkpointObjectsMax: number
  private readonly nodes = new Map<number, ManagedNode>()
  private readonly open: () => Promise<MetadataLog>

  constructor(checkpointObjectsMax = 1_000) {
    const made = world()
    this.clock = made.clock
    this.store = made.store
    this.open = () => made.open()
    this.checkpointObjectsMax = checkpointObjectsMax
  }

  /** Adds a node, whose store may be a worse one. It follows the log when told to. */
  async add(storeOf: (store: ObjectStore) => ObjectStore = (store) => store): Promise<ManagedNode> {
    const log = await this.open()
    const { records } = await this.clock.run(log.append((image) => [registration(image)]))
    const record = records[0]
    if (record?.type !== 'node-registered') throw new Error('it is not registered')
    const node = new ManagedNode(this, log, record.nodeId, storeOf(this.store))
    this.nodes.set(node.nodeId, node)
    return node
  }

  byId(nodeId: number): ManagedNode {
    const node = this.nodes.get(nodeId)
    if (node === undefined) throw new Error(`there is no node ${nodeId}`)
    return node
  }

  /** Appends through `node`, and lets these nodes read it. */
  async change(
    node: ManagedNode,
    propose: (image: Image) => readonly MetadataRecord[],
    readers: readonly ManagedNode[],
  ): Promise<void> {
    await this.clock.run(node.log.append((image) => propose(image as Image)))
    await this.clock.run(Promise.all(readers.map(({ log }) => log.catchUp())))
  }

  createTopic(node: ManagedNode, topicId: string, owners: number[], readers: ManagedNode[]) {
    return this.change(
      node,
      () => [{ type: 'topic-created', topicId, name: topicId, owners, configs: {}, atMs: 0 }],
      readers,
    )
  }

  /** A planned move of partition 0, written by `by`. */
  move(by: ManagedNode, topicId: string, target: number, readers: ManagedNode[]): Promise<void> {
    return this.change(by, (image) => [moveOf(image, topicId, target)], readers)
  }

  /** Fences and seals a node and gives its partition 0 of `topicId` to `target`. */
  async takeOver(
    by: ManagedNode,
    nodeId: number,
    topicId: string,
    target: number,
  ): Promise<number> {
    const { signal } = new AbortController()
    const { clock, store } = this
    const random = seededRandom(99)
    const options = { store, clock, random, signal, takerNodeId: by.nodeId }
    const sealedEnd = await clock.run(fenceNode(nodeId, options))
    await this.change(
      by,
      (image) => [
        { type: 'node-sealed', nodeId, sealedEnd },
        ...(ownershipOf(image, topicId, 0)?.nodeId === nodeId
          ? [moveOf(image, topicId, target)]
          : []),
      ],
      [],
    )
    return sealedEnd
  }

  ownership(node: ManagedNode, topicId: string): Ownership {
    const ownership = ownershipOf(node.log.image, topicId, 0)
    if (ownership === undefined) throw new Error(`there is no ${topicId}`)
    return ownership
  }
}

function moveOf(image: Image, topicId: string, target: number): MetadataRecord {
  const ownership = ownershipOf(image, topicId, 0)
  if (ownership === undefined) throw new Error(`there is no ${topicId}`)
  return succession({ topicId, partition: 0, ownership }, target)
}
