import { assert, present } from '../base/assert.ts'
import { type Clock, sleep } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { type Random, randomUuid } from '../base/random.ts'
import { Controller, type ControllerSettings } from '../controller/controller.ts'
import type { PingReply, PingRequest } from '../controller/ping.ts'
import type { Image, NodeEntry } from '../metadata/image.ts'
import { MetadataLog } from '../metadata/log.ts'
import type { MetadataRecord, NodeAddress } from '../metadata/records.ts'
import type { ObjectStore } from '../object-store/store.ts'
import { drainNode } from './drain.ts'
import { LoadMeter } from './load-meter.ts'
import { CHECKPOINT_OBJECTS_MAX, Checkpointer } from './partition/checkpointer.ts'
import { ColdReader } from './partition/cold-reader.ts'
import { type ClosedEpoch, decodeHandoff, handoffMessages } from './partition/handoff.ts'
import { PartitionManager } from './partition/partition-manager.ts'
import { TailCache } from './partition/tail-cache.ts'
import type { CallError, InternalMethod, Transport } from './transport.ts'
import { type WalSettings, WalWriter } from './wal/writer.ts'

export interface NodeSettings {
  readonly wal: WalSettings
  readonly controller: ControllerSettings
  readonly tailCacheBytes: number
  readonly coldCacheBytes: number
  /** A node that has not confirmed the metadata log's head for so long serves nothing (design §5). */
  readonly staleMsMax: number
  readonly producerExpiryMs: number
  readonly metadataPollMs: number
  /** So many log objects make a checkpoint due; by default CHECKPOINT_OBJECTS_MAX. */
  readonly checkpointObjectsMax?: number
}

export interface NodeObserver {
  walObject(measured: { bytes: number; waitMs: number; putMs: number }): void
}

export interface NodeOptions {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly address: NodeAddress
  readonly rack: string | null
  readonly version: string
  readonly transport: Transport
  readonly settings: NodeSettings
  readonly observer: NodeObserver
  /** Told once the metadata log is read, before anybody is called: calls need its secret. */
  readonly onMetadata?: (image: Image) => void
  /** The node cannot go on: it is fenced, or the store refuses for good. Called once. */
  readonly onEnded: (reason: string, error?: unknown) => void
}

const CALL_TIMEOUT_MS = 1_000
/** Calls under way that wait for an answer that a client waits for. */
const CALLS_MAX = 256
/** The next owner may be a process that has just started, on a machine where others do too. */
const HANDOFF_TIMEOUT_MS = 4_000
const HANDOFF_TRIES = 2

/**
 * One run of one broker: the metadata log, the WAL, the partitions and a controller, put together.
 * It knows no socket; the simulator runs this very class.
 */
export class Node {
  readonly nodeId: number
  readonly log: MetadataLog
  readonly wal: WalWriter
  readonly partitions: PartitionManager
  readonly controller: Controller
  readonly checkpointer: Checkpointer
  readonly coldReader: ColdReader
  readonly tailCache: TailCache
  readonly loadMeter: LoadMeter
  readonly options: NodeOptions
  draining = false
  private callCount = 0
  /** This node seals itself: finding itself sealed is no surprise then. */
  sealing = false
  private ended = false

  private constructor(options: NodeOptions, log: MetadataLog, nodeId: number) {
    const { store, clock, random, settings } = options
    const logger = options.logger.with({ node: nodeId })
    this.options = { ...options, logger }
    this.nodeId = nodeId
    this.log = log
    this.tailCache = new TailCache(settings.tailCacheBytes)
    this.coldReader = new ColdReader(store, settings.coldCacheBytes)
    this.loadMeter = new LoadMeter(clock)
    this.wal = new WalWriter({
      nodeId,
      store,
      clock,
      random,
      settings: settings.wal,
      observer: {
        objectDurable: (_seq, measured) => {
          this.checkpointer.objectDurable(measured.indexBytes)
          options.observer.walObject(measured)
        },
      },
      onFenced: (seq) => this.end(`another node took over: the WAL is fenced at ${seq}`),
      onFault: (error) => this.end('the WAL cannot be written', error),
    })
    this.partitions = new PartitionManager({
      nodeId,
      store,
      clock,
      logger,
      wal: this.wal,
      tailCache: this.tailCache,
      image: () => log.image,
      sendHandoff: (target, epochs) => this.sendHandoff(target, epochs),
      onTakenOver: () => this.checkpointer.request(),
    })
    this.checkpointer = new Checkpointer({
      nodeId,
      store,
      clock,
      random,
      logger,
      log,
      wal: this.wal,
      manager: this.partitions,
      get producerExpiryMs() {
        return settings.producerExpiryMs
      },
      objectsBetweenMax: settings.checkpointObjectsMax ?? CHECKPOINT_OBJECTS_MAX,
    })
    this.controller = new Controller({
      log,
      store,
      clock,
      random,
      logger,
      nodeId,
      holder: `node:${nodeId}`,
      settings: settings.controller,
      ping: (node, request) => this.ping(node, request),
      ownLoads: () => this.loadMeter.busiestPartitions(),
      isCandidate: () => !this.draining && !this.ended,
    })
  }

  /** Joins the cluster in `options.store`: creates it if need be, registers, starts to serve. */
  static async start(options: NodeOptions): Promise<Node> {
    const { store, clock, random, logger, settings } = options
    const log = new MetadataLog({ store, clock, random, logger, pollMs: settings.metadataPollMs })
    await log.open(() => [
      {
        type: 'cluster',
        clusterId: randomUuid(random),
        secret: random.bytes(32).toString('base64'),
        createdMs: clock.wallMs(),
      },
    ])
    options.onMetadata?.(log.image)
    const nodeId = await register(log, options)
    log.writerNodeId = nodeId
    const node = new Node(options, log, nodeId)
    log.onApplied(({ touched }) => node.imageChanged(touched))
    log.onAppended(() => node.tellNews())
    node.imageChanged('all')
    node.tellNews()
    log.start()
    node.controller.start()
    return node
  }

  get image(): Image {
    return this.log.image
  }

  get clock(): Clock {
    return this.options.clock
  }

  get hasEnded(): boolean {
    return this.ended
  }

  /** Whether the image is recent enough to serve by: else somebody may have taken over. */
  get isFresh(): boolean {
    const ageMs = this.clock.nowMs() - this.log.headConfirmedAtMs
    return !this.ended && ageMs < this.options.settings.staleMsMax
  }

  private imageChanged(touched: Parameters<PartitionManager['imageChanged']>[0]): void {
    if (this.ended || this.sealing) return
    const self = this.image.nodes.get(this.nodeId)
    if (self === undefined || self.state === 'sealed') {
      this.end('another node took over: the metadata log says that this node is sealed')
      return
    }
    this.partitions.imageChanged(touched)
  }

  /** Answers a call of another node. The caller is authenticated by the transport. */
  handleCall(method: string, body: Buffer): Buffer {
    if (this.ended) throw new Error('this node has ended')
    if (method === 'news') {
      this.log.poke()
      return Buffer.alloc(0)
    }
    if (method === 'handoff') {
      const { nodeId, epochs } = decodeHandoff(body)
      this.partitions.receiveHandoff(nodeId, epochs)
      // The sender has seen the map that makes us the owner; we may not have.
      this.log.poke()
      return Buffer.alloc(0)
    }
    assert(method === 'ping', `there is no internal method ${method}`)
    const request = JSON.parse(body.toString()) as PingRequest
    if (request.term >= 0) this.controller.heard(request)
    const reply: PingReply = {
      nodeId: this.nodeId,
      partitionLoads: this.loadMeter.busiestPartitions(),
    }
    return Buffer.from(JSON.stringify(reply))
  }

  /**
   * Asks another node; null where it is gone, or where too many are being asked already. Rejects with
   * {@link CallError}.
   * A long answer is to hold up no pings: see {@link httpTransport}.
   */
  async callNode(
    nodeId: number,
    method: InternalMethod,
    body: Buffer,
    timeoutMs: number,
  ): Promise<Buffer | null> {
    const target = this.image.nodes.get(nodeId)
    if (target === undefined || target.state === 'sealed') return null
    if (this.callCount >= CALLS_MAX) return null
    this.callCount++
    let unsubscribe = (): void => {}
    // Whoever was taken over answers no more, and a lost address may not even refuse.
    const gone = new Promise<null>((resolve) => {
      unsubscribe = this.log.onApplied(() => {
        if ((this.image.nodes.get(nodeId)?.state ?? 'sealed') === 'sealed') resolve(null)
      })
    })
    try {
      const { transport } = this.options
      return await Promise.race([transport.call(target, method, body, timeoutMs), gone])
    } finally {
      unsubscribe()
      this.callCount--
    }
  }

  private async ping(node: NodeEntry, request: PingRequest): Promise<PingReply> {
    const body = Buffer.from(JSON.stringify(request))
    const reply = await this.options.transport.call(node, 'ping', body, CALL_TIMEOUT_MS)
    return JSON.parse(reply.toString()) as PingReply
  }

  /** Calls whose loss costs time only: whoever misses them polls. */
  private tellNews(): void {
    const { transport, logger } = this.options
    for (const node of this.image.nodes.values()) {
      if (node.nodeId === this.nodeId || node.state === 'sealed') continue
      transport.call(node, 'news', EMPTY, CALL_TIMEOUT_MS).catch((error: unknown) => {
        logger.debug('news were lost', { target: node.nodeId, error })
      })
    }
  }

  private sendHandoff(nodeId: number, epochs: readonly ClosedEpoch[]): void {
    const node = this.image.nodes.get(nodeId)
    if (node === undefined || node.state === 'sealed') return
    for (const body of handoffMessages(this.nodeId, epochs)) void this.handOff(node, body)
  }

  /** Not given up at once: its loss costs the next owner hundreds of reads. */
  private async handOff(node: NodeEntry, body: Buffer): Promise<void> {
    const { transport, logger } = this.options
    for (let tries = 1; tries <= HANDOFF_TRIES && !this.ended; tries++) {
      try {
        await transport.call(node, 'handoff', body, HANDOFF_TIMEOUT_MS)
        return
      } catch (error) {
        logger.debug('a handoff was lost', { target: node.nodeId, tries, error })
        if ((error as CallError).failure === 'refused') return
      }
    }
  }

  /**
   * Gives all partitions away and seals the node, without a controller's help; then it has ended.
   * Bounded by `timeoutMs`: whatever is left then is taken over by others from the bucket.
   */
  async drain(timeoutMs: number): Promise<void> {
    if (this.ended) return
    this.draining = true
    await drainNode(this, timeoutMs)
    this.end('drained')
  }

  /** Appends records as this node's own writer; see MetadataLog.append. */
  append(propose: Parameters<MetadataLog['append']>[0]): ReturnType<MetadataLog['append']> {
    return this.log.append(propose)
  }

  private end(reason: string, error?: unknown): void {
    if (this.ended) return
    this.ended = true
    this.wal.stop()
    this.checkpointer.stop()
    this.controller.stop()
    this.partitions.stop()
    void this.log.stop()
    this.options.onEnded(reason, error)
  }

  /** Ends at once, as a crash would, but in order: for tests and for faults. */
  abort(reason: string): void {
    this.end(reason)
  }
}

const EMPTY = Buffer.alloc(0)

async function register(log: MetadataLog, options: NodeOptions): Promise<number> {
  const { address, rack, version, clock, random } = options
  const nonce = random.bytes(16).toString('base64')
  const { records } = await log.append((image): MetadataRecord[] => [
    {
      type: 'node-registered',
      nodeId: image.scalars.nextNodeId,
      nonce,
      address,
      rack,
      version,
      atMs: clock.wallMs(),
    },
  ])
  const own = present(records[0], 'the registration')
  assert(own.type === 'node-registered' && own.nonce === nonce, 'the registration is our own')
  return own.nodeId
}

/** Resolves once a controller is known and everything this node owns is open, or time is up. */
export async function whenServing(node: Node, timeoutMs: number): Promise<boolean> {
  const endMs = node.clock.nowMs() + timeoutMs
  while (node.clock.nowMs() < endMs && !node.hasEnded) {
    if (hasController(node.image) && allOpen(node)) return true
    await sleep(node.clock, 20)
  }
  return false
}

/** Held by a node that lives, or by the operator, which is none. */
function hasController({ scalars, nodes }: Image): boolean {
  if (scalars.controller === null) return false
  const { nodeId } = scalars.controller
  return nodeId === null || (nodes.get(nodeId)?.state ?? 'sealed') !== 'sealed'
}

function allOpen(node: Node): boolean {
  for (const partition of node.partitions.all()) if (partition.phase === 'opening') return false
  return true
}
