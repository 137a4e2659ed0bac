import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import type { VirtualClock } from '../../base/testing/virtual-clock.ts'
import { ownershipOf } from '../../metadata/image.ts'
import type { MetadataLog } from '../../metadata/log.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import { registration } from '../../metadata/testing/random-records.ts'
import type { RecordedStore } from '../../metadata/testing/recorded-store.ts'
import { world } from '../../metadata/testing/world.ts'
import { Controller, type ControllerSettings, DEFAULT_CONTROLLER_SETTINGS } from '../controller.ts'
import type { PingFailure } from '../liveness.ts'

const PING_MS = 2
const PING_TIMEOUT_MS = 1_000
const CHECKPOINT_MS = 300
/** The mean that nodes tell of their partitions' rates is over about this long. */
const RATE_WINDOW_MS = 5_000

/** One node: a metadata log and a controller, no WAL. It clears `from` as if it checkpointed. */
export class ControlledNode {
  readonly log: MetadataLog
  readonly nodeId: number
  readonly controller: Controller
  /** What other nodes get when they ask it; null: its answer. */
  failure: PingFailure | null = null
  /** Nothing that it asks is answered. */
  isCutOff = false
  isCandidate = true
  private readonly arrivedAtMs = new Map<string, number>()
  private readonly world: ControllerWorld

  constructor(owner: ControllerWorld, log: MetadataLog, nodeId: number) {
    this.world = owner
    this.log = log
    this.nodeId = nodeId
    const { clock, store } = owner
    this.controller = new Controller({
      log,
      store,
      clock,
      random: seededRandom(nodeId),
      logger: silentLogger,
      holder: `node:${nodeId}`,
      nodeId,
      settings: { ...DEFAULT_CONTROLLER_SETTINGS, ...owner.settings },
      ping: (node, request) => owner.ping(this, node.nodeId, request),
      ownLoads: () => this.loads(),
      isCandidate: () => this.isCandidate,
    })
    log.writerNodeId = nodeId
    log.onApplied(() => this.checkpoint())
    log.onAppended(() => owner.tellNews(this))
    log.start()
    this.checkpoint()
    this.controller.start()
  }

  /** What it would measure: rates that rise from zero when a partition comes. */
  loads(): Record<string, number> {
    const { clock, rates } = this.world
    const loads: Record<string, number> = {}
    for (const [id, rate] of rates) {
      const [topicId = '', partition = ''] = id.split('/')
      const owner = ownershipOf(this.log.image, topicId, Number(partition))?.nodeId
      if (owner !== this.nodeId) {
        this.arrivedAtMs.delete(id)
        continue
      }
      const arrivedAtMs = this.arrivedAtMs.get(id) ?? clock.nowMs()
      this.arrivedAtMs.set(id, arrivedAtMs)
      const share = 1 - Math.exp(-(clock.nowMs() - arrivedAtMs) / RATE_WINDOW_MS)
      loads[id] = Math.round(rate * share)
    }
    return loads
  }

  private checkpoint(): void {
    this.world.clock.after(CHECKPOINT_MS, () => {
      if (this.failure !== null || this.log.image.nodes.get(this.nodeId)?.state === 'sealed') return
      const propose = (image: typeof this.log.image): MetadataRecord[] =>
        [...image.topics.values()].flatMap(({ topicId, partitions }) =>
          partitions.flatMap((ownership, partition): MetadataRecord[] => {
            if (ownership.nodeId !== this.nodeId || ownership.from.length === 0) return []
            return [{ type: 'ownership', topicId, partition, ...ownership, from: [], refs: [] }]
          }),
        )
      if (propose(this.log.image).length === 0) return
      this.log.append((image) => propose(image as typeof this.log.image)).catch(() => {})
    })
  }

  /** As a process that was killed: it answers nothing and does nothing. */
  kill(failure: PingFailure = 'refused'): void {
    this.failure = failure
    this.controller.stop()
    void this.log.stop()
  }
}

/** An operator, which is no node. */
export class ControllingOperator {
  readonly log: MetadataLog
  readonly controller: Controller
  /** Nothing that it asks is answered. */
  isCutOff = false

  constructor(owner: ControllerWorld, log: MetadataLog, holder: string) {
    this.log = log
    const { clock, store } = owner
    this.controller = new Controller({
      log,
      store,
      clock,
      random: seededRandom(1_000),
      logger: silentLogger,
      holder,
      nodeId: null,
      settings: { ...DEFAULT_CONTROLLER_SETTINGS, ...owner.settings },
      ping: (node, request) => owner.ping(this, node.nodeId, request),
      ownLoads: () => ({}),
      isCandidate: () => true,
    })
    log.onAppended(() => owner.tellNews(this))
    log.start()
    this.controller.start()
  }

  stop(): void {
    this.controller.stop()
    void this.log.stop()
  }
}

/** Controllers of several nodes over one store, in virtual time. */
export class ControllerWorld {
  readonly clock: VirtualClock
  readonly store: RecordedStore
  readonly nodes: ControlledNode[] = []
  /** What partitions truly carry, `topic id/partition` → bytes per second. */
  readonly rates = new Map<string, number>()
  readonly settings: Partial<ControllerSettings>
  pingCount = 0
  private readonly open: () => Promise<MetadataLog>

  constructor(settings: Partial<ControllerSettings> = {}) {
    const made = world()
    this.clock = made.clock
    this.store = made.store
    this.settings = settings
    this.open = () => made.open()
  }

  async addNode(): Promise<ControlledNode> {
    const log = await this.open()
    const { records } = await this.clock.run(log.append((image) => [registration(image)]))
    const record = records[0]
    if (record?.type !== 'node-registered') throw new Error('it is not registered')
    const node = new ControlledNode(this, log, record.nodeId)
    this.nodes.push(node)
    await this.clock.advanceBy(1)
    this.tellNews(node)
    return node
  }

  async addOperator(holder: string): Promise<ControllingOperator> {
    return new ControllingOperator(this, await this.open(), holder)
  }

  async addNodes(count: number): Promise<ControlledNode[]> {
    for (let index = 0; index < count; index++) await this.addNode()
    return this.nodes.slice(-count)
  }

  byId(nodeId: number): ControlledNode {
    const found = this.nodes.find((node) => node.nodeId === nodeId)
    if (found === undefined) throw new Error(`there is no node ${nodeId}`)
    return found
  }

  async ping(
    from: { isCutOff: boolean },
    nodeId: number,
    request: { holder: string; term: number },
  ) {
    this.pingCount++
    await this.pause(PING_MS)
    const target = this.byId(nodeId)
    if (from.isCutOff || target.isCutOff || target.failure === 'no-answer') {
      await this.pause(PING_TIMEOUT_MS)
      throw Object.assign(new Error('no answer'), { failure: 'no-answer' })
    }
    if (target.failure === 'refused') {
      throw Object.assign(new Error('refused'), { failure: 'refused' })
    }
    if (request.term >= 0) target.controller.heard(request)
    return { nodeId, partitionLoads: target.loads() }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve)
    })
  }

  tellNews(from: ControlledNode | ControllingOperator): void {
    for (const node of this.nodes) {
      if (node !== from && node.failure === null && !node.isCutOff && !from.isCutOff) {
        node.log.poke()
      }
    }
  }

  /** The log of a node that lives. */
  get log(): MetadataLog {
    const living = this.nodes.findLast((node) => node.failure === null)
    if (living === undefined) throw new Error('nobody lives')
    return living.log
  }

  append(records: MetadataRecord[]): Promise<unknown> {
    return this.clock.run(this.log.append(() => records))
  }

  async createTopic(topicId: string, owners: number[]): Promise<void> {
    await this.append([
      { type: 'topic-created', topicId, name: topicId, owners, configs: {}, atMs: 0 },
    ])
  }

  /** The nodes that believe to hold the controller and live. */
  holders(): number[] {
    return this.nodes
      .filter(({ controller, failure }) => failure === null && controller.isHolder)
      .map(({ nodeId }) => nodeId)
  }

  statesOfNodes(): Record<number, string> {
    return Object.fromEntries([...this.log.image.nodes.values()].map((n) => [n.nodeId, n.state]))
  }

  /** The owners of a topic's partitions. */
  owners(topicId: string): number[] {
    return this.log.image.topics.get(topicId)?.partitions.map(({ nodeId }) => nodeId) ?? []
  }

  /** Every change of an owner that was ever written: how often each partition moved. */
  moves(): Map<string, number> {
    const moves = new Map<string, number>()
    for (const { batch } of this.store.history) {
      for (const record of batch.records) {
        if (record.type !== 'ownership' || record.from.length === 0) continue
        const id = `${record.topicId}/${record.partition}`
        moves.set(id, (moves.get(id) ?? 0) + 1)
      }
    }
    return moves
  }
}
