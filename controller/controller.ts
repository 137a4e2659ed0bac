import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { ImageState, NodeEntry } from '../metadata/image.ts'
import type { MetadataLog } from '../metadata/log.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import type { ObjectStore } from '../object-store/store.ts'
import { type Move, type PlacedNode, planMoves } from './balancer.ts'
import { Candidacy } from './candidacy.ts'
import { ExpectedNodes } from './expected-nodes.ts'
import { forgetNode, forgettableNodes } from './forget.ts'
import { type Liveness, NodeLiveness, type PingFailure } from './liveness.ts'
import { PartitionLoads } from './loads.ts'
import {
  type PingReply,
  type PingRequest,
  pingRestMs,
  type PingSettings,
  ticksPerPing,
} from './ping.ts'
import { placedNodes } from './placement.ts'
import { type OwnedPartition, reassignFrom, succession, takeOver } from './takeover.ts'

/** Measured loads are looked at this often; changes of nodes and partitions at once. */
const BALANCE_EVERY_MS = 5_000
/** What comes together makes one round: several nodes that join, or answer for the first time. */
const GATHER_MS = 10
/** Rounds between those that come by the clock have at least this much time between them. */
const ROUND_GAP_MS = 50

export interface ControllerSettings extends PingSettings {
  /** A node that says nothing for so long is taken over. */
  readonly silenceMsMax: number
  /** A controller that nobody hears for so long is replaced. */
  readonly leaseSilenceMs: number
  readonly movesPerTickMax: number
  /** A snapshot of the metadata log is written after so many batches. */
  readonly snapshotEveryBatches: number
}

export const DEFAULT_CONTROLLER_SETTINGS: ControllerSettings = {
  tickMs: 200,
  pingsPerSecondMax: 1_000,
  silenceMsMax: 1_500,
  leaseSilenceMs: 500,
  movesPerTickMax: 1_000,
  snapshotEveryBatches: 1_000,
}

export interface ControllerOptions {
  readonly log: MetadataLog
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** What stands in the metadata log: a node, or the operator (node id null). */
  readonly holder: string
  readonly nodeId: number | null
  readonly settings: ControllerSettings
  /** Asks a node whether it lives. Rejects with a {@link PingFailure} in `failure`. */
  readonly ping: (node: NodeEntry, request: PingRequest) => Promise<PingReply>
  /** What this process's own node would answer a ping with: `partitionLoads` of {@link PingReply}. */
  readonly ownLoads: () => Readonly<Record<string, number>>
  /** Whether this process wants to be the controller at all (a draining node does not). */
  readonly isCandidate: () => boolean
}

/**
 * Watches nodes and writes the ownership map. Every node has one; only the holder's acts. Safety
 * never rests on there being one: all it does goes through the metadata log's rules and fences.
 */
export class Controller {
  private readonly options: ControllerOptions
  private readonly liveness: NodeLiveness
  private readonly candidacy: Candidacy
  private readonly loads = new PartitionLoads()
  private readonly expected = new ExpectedNodes()
  private readonly abort = new AbortController()
  private readonly takingOver = new Set<number>()
  private readonly pinging = new Set<number>()
  private timer: Timer | null = null
  /** A round that does not wait for its time. */
  private early: Timer | null = null
  private earlyAtMs = Number.NEGATIVE_INFINITY
  private tickCount = 0
  private tickDueAtMs = Number.POSITIVE_INFINITY
  private isDirty = true
  private balancedAtMs = Number.NEGATIVE_INFINITY
  private isArranging = false
  private isForgetting = false
  private snapshotSeq = 0

  constructor(options: ControllerOptions) {
    this.options = options
    this.liveness = new NodeLiveness(options.settings.silenceMsMax)
    const { isolatedSilenceMsMax } = this.liveness
    const { signal } = this.abort
    const onTaken = (refusing: NodeEntry | null): void => this.taken(refusing)
    this.candidacy = new Candidacy({ ...options, isolatedSilenceMsMax, signal, onTaken })
  }

  /** Whether this process holds the controller, as far as it knows. */
  get isHolder(): boolean {
    return this.options.log.image.scalars.controller?.holder === this.options.holder
  }

  start(): void {
    this.options.log.onApplied(({ touched }) => {
      if (touched === 'all' || touched.nodes.size > 0 || touched.partitions.size > 0) {
        this.isDirty = true
      }
      if (touched === 'all') this.loads.sumAnew()
      if (touched === 'all') return
      // Who has come, or has to be emptied, waits for this.
      if (touched.nodes.size > 0) this.hasten()
      const { log, clock } = this.options
      for (const id of touched.topics) if (!log.image.topics.has(id)) this.loads.sumAnew()
      this.loads.noteChanges(log.image, touched.partitions, clock.nowMs())
    })
    this.tick()
  }

  stop(): void {
    this.abort.abort()
    this.timer?.cancel()
    this.early?.cancel()
  }

  /** A ping came from whoever holds the controller. */
  heard(request: PingRequest): void {
    this.candidacy.heard(request)
  }

  /** There are to be so many nodes: what those that have yet to come will get is kept for them. */
  expectNodes(count: number): void {
    if (this.expected.order(count)) this.isDirty = true
  }

  /**
   * Acts at once. A predecessor whose connection was refused has been asked once already: nobody
   * listens there, and its partitions wait for nothing but this.
   */
  private taken(refusing: NodeEntry | null): void {
    if (this.abort.signal.aborted) return
    if (refusing !== null) {
      this.liveness.expect(refusing.nodeId, this.options.clock.nowMs())
      this.liveness.failed(refusing.nodeId, 'refused')
    }
    this.timer?.cancel()
    this.tickDueAtMs = this.options.clock.nowMs()
    this.tick()
  }

  /** Where this process leads: who has come is asked soon, and gets its share. */
  private hasten(): void {
    const { clock } = this.options
    if (!this.isHolder || this.abort.signal.aborted || this.early !== null) return
    const delayMs = Math.max(GATHER_MS, this.earlyAtMs + ROUND_GAP_MS - clock.nowMs())
    this.early = clock.after(delayMs, () => this.earlyRound())
  }

  private earlyRound(): void {
    const { clock, log, nodeId } = this.options
    this.early = null
    this.earlyAtMs = clock.nowMs()
    if (!this.isHolder) return
    for (const node of log.image.nodes.values()) {
      // Others are asked by the clock, which their patience is reckoned by.
      const isKnown = node.nodeId === nodeId || this.liveness.knows(node.nodeId)
      if (node.state !== 'sealed' && !isKnown) this.pingNode(node)
    }
    this.startArranging()
  }

  private tick(): void {
    if (this.abort.signal.aborted) return
    const { clock, settings, logger } = this.options
    const lateMs = clock.nowMs() - this.tickDueAtMs
    if (lateMs > 0) {
      this.liveness.excuse(lateMs)
      this.candidacy.excuse(lateMs)
    }
    try {
      if (this.isHolder) this.lead()
      else {
        // Else whoever gets the controller back would end all that it has not asked meanwhile.
        this.liveness.forgetAll()
        this.loads.forgetAll()
        this.candidacy.look()
      }
    } catch (error) {
      logger.error('a round of the controller failed', { error })
    }
    this.tickDueAtMs = clock.nowMs() + settings.tickMs
    this.timer = clock.after(settings.tickMs, () => this.tick())
  }

  private lead(): void {
    const { log, nodeId, ownLoads, settings, clock } = this.options
    // From now on the next one is listened for, should this one be replaced.
    this.candidacy.hears()
    const { nodes } = log.image
    const turns = ticksPerPing(nodes.size, settings)
    this.liveness.restMs = pingRestMs(nodes.size, settings)
    this.tickCount++
    for (const node of nodes.values()) {
      if (node.nodeId === nodeId) this.loads.told(nodeId, ownLoads())
      else if (node.state !== 'sealed') {
        // Whoever does not answer is asked in every tick.
        const isItsTurn = (this.tickCount + node.nodeId) % turns === 0
        if (isItsTurn || !this.liveness.isWell(node.nodeId, clock.nowMs())) this.pingNode(node)
      } else {
        this.liveness.forget(node.nodeId)
        this.loads.forget(node.nodeId)
      }
    }
    this.takeOverTheDead()
    // Whoever comes tells no one that is not a broker: what it waits for is looked for.
    if (this.missingNodes() > 0) log.poke()
    this.startArranging()
  }

  private startArranging(): void {
    if (this.isArranging || this.takingOver.size > 0) return
    this.isArranging = true
    void this.arrange().finally(() => {
      this.isArranging = false
    })
  }

  private pingNode(node: NodeEntry): void {
    const { clock, ping, log, holder } = this.options
    if (this.pinging.has(node.nodeId)) return
    this.pinging.add(node.nodeId)
    this.liveness.expect(node.nodeId, clock.nowMs())
    const term = log.image.scalars.controller?.term ?? 0
    ping(node, { holder, term })
      .then(
        (reply) => {
          const isNews = this.livenessOf(node.nodeId) !== 'alive'
          this.liveness.answered(node.nodeId, clock.nowMs())
          this.loads.told(node.nodeId, reply.partitionLoads)
          if (!isNews) return
          this.isDirty = true
          this.hasten()
        },
        (error: { failure?: PingFailure }) => {
          this.liveness.failed(node.nodeId, error.failure ?? 'no-answer')
        },
      )
      .finally(() => this.pinging.delete(node.nodeId))
  }

  private takeOverTheDead(): void {
    const { log, clock, logger } = this.options
    const living = this.targets()
    // With nobody to take over, the fence would only hurt: the node may come back.
    if (living.length === 0) return
    for (const node of this.liveness.dead(clock.nowMs())) {
      if ((log.image.nodes.get(node)?.state ?? 'sealed') === 'sealed') continue
      if (this.takingOver.has(node)) continue
      this.takingOver.add(node)
      logger.warn('a node does not answer and is taken over', { node })
      const startMs = clock.nowMs()
      this.takeOverNode(node)
        .then((result) => {
          if (result === null) return
          const durationMs = Math.round(clock.nowMs() - startMs)
          logger.info('a node was taken over', { node, ...result, durationMs })
        })
        .catch((error: unknown) => {
          if (this.abort.signal.aborted) return
          logger.warn('a takeover failed and is tried again', { node, error })
        })
        .finally(() => this.takingOver.delete(node))
    }
  }

  private async takeOverNode(nodeId: number): ReturnType<typeof takeOver> {
    const { log, store, clock, random } = this.options
    // A fence ends a node that is well: not on the word of one that was replaced long ago.
    await log.catchUp()
    if (!this.isHolder || !this.liveness.dead(clock.nowMs()).includes(nodeId)) return null
    return takeOver(log, nodeId, {
      store,
      clock,
      random,
      signal: this.abort.signal,
      takerNodeId: this.options.nodeId ?? 0,
      targets: () => this.targets(),
    })
  }

  private livenessOf(nodeId: number): Liveness {
    if (nodeId === this.options.nodeId) return 'alive'
    return this.liveness.stateOf(nodeId, this.options.clock.nowMs())
  }

  /** Nodes that may be given partitions, and that answer. */
  private targets(): number[] {
    const targets: number[] = []
    for (const { nodeId, state } of this.options.log.image.nodes.values()) {
      if (state === 'active' && this.livenessOf(nodeId) === 'alive') targets.push(nodeId)
    }
    return targets.sort((a, b) => a - b)
  }

  /** Everything that is not urgent: leftovers of sealed nodes, balance, snapshots, forgetting. */
  private async arrange(): Promise<void> {
    const { log, logger, settings, clock } = this.options
    try {
      // Both look at every node, and at every partition where one moves: they wait for a reason.
      if (this.isDirty || clock.nowMs() - this.balancedAtMs >= BALANCE_EVERY_MS) {
        this.isDirty = false
        this.balancedAtMs = clock.nowMs()
        await this.adoptLeftovers()
        await this.balance()
        // Not waited for: draining nodes must not wait until a million objects are deleted.
        void this.forgetOne()
      }
      if (log.seq - this.snapshotSeq >= settings.snapshotEveryBatches) {
        this.snapshotSeq = await log.snapshot()
        await log.trim({ keepBatches: settings.snapshotEveryBatches })
      }
    } catch (error) {
      if (!this.abort.signal.aborted)
        logger.warn('the ownership map could not be arranged', { error })
    }
  }

  /** Sealed nodes that still own something: all nodes were down, or the batch was full. */
  private async adoptLeftovers(): Promise<void> {
    const { log } = this.options
    const sealedOwners = (image: ImageState): Set<number> => {
      const sealed = new Set<number>()
      for (const { nodeId, state } of image.nodes.values()) {
        if (state === 'sealed' && (image.ownedCounts.get(nodeId) ?? 0) > 0) sealed.add(nodeId)
      }
      return sealed
    }
    const propose = (image: ImageState): MetadataRecord[] => {
      const sealed = sealedOwners(image)
      const targets = this.targets()
      return sealed.size === 0 || targets.length === 0 ? [] : reassignFrom(image, sealed, targets)
    }
    if (propose(log.image).length > 0) await log.append(propose)
  }

  /** One at a time: a node may have a great many objects, and nothing is urgent about them. */
  private async forgetOne(): Promise<void> {
    const { log, store, logger } = this.options
    const nodeId = forgettableNodes(log.image)[0]
    if (nodeId === undefined || this.isForgetting) return
    this.isForgetting = true
    try {
      await forgetNode(log, store, nodeId)
      logger.info('a node is forgotten, its objects are deleted', { node: nodeId })
    } catch (error) {
      if (!this.abort.signal.aborted) {
        logger.warn('a node could not be forgotten yet', { node: nodeId, error })
      }
    }
    this.isForgetting = false
  }

  private async balance(): Promise<void> {
    const { log, settings, logger } = this.options
    const moves = planMoves(this.placedNodes(), settings.movesPerTickMax, this.missingNodes())
    if (moves.length === 0) return
    const { records } = await log.append((image) => this.moveRecords(image, moves))
    if (records.length > 0) logger.info('partitions move', { count: records.length })
  }

  /** The moves that are still possible on `image`: R8 asks for both nodes unsealed, `from` empty. */
  private moveRecords(image: ImageState, moves: readonly Move[]): MetadataRecord[] {
    const records: MetadataRecord[] = []
    for (const { topicId, partition, source, target } of moves) {
      const ownership = image.topics.get(topicId)?.partitions[partition]
      if (ownership === undefined || ownership.nodeId !== source) continue
      if (ownership.from.length > 0 || image.nodes.get(source)?.state === 'sealed') continue
      if (image.nodes.get(target)?.state !== 'active') continue
      const owned: OwnedPartition = { topicId, partition, ownership }
      records.push(succession(owned, target))
    }
    return records
  }

  private missingNodes(): number {
    return this.expected.missing(this.targets().length, this.options.clock.nowMs())
  }

  /** What the balancer may work with: nodes that live. */
  private placedNodes(): PlacedNode[] {
    const { log, clock } = this.options
    const living: { nodeId: number; draining: boolean }[] = []
    for (const { nodeId, state } of log.image.nodes.values()) {
      if (state === 'sealed' || this.livenessOf(nodeId) !== 'alive') continue
      living.push({ nodeId, draining: state === 'draining' })
    }
    return placedNodes(log.image, living, this.loads, clock.nowMs())
  }
}
