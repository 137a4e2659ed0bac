import type { Node, NodeSettings } from '../broker/node.ts'
import type { AppliedDelta } from '../metadata/applied.ts'
import { walKey } from '../metadata/keys.ts'
import type { MetadataRecordOf } from '../metadata/records.ts'
import { decodeHeader, HEADER_BYTES, objectKind } from '../object-store/header.ts'
import type { ObjectStore } from '../object-store/store.ts'
import type { Bootstrap } from './clients/client.ts'
import { errorText, SimulatedBroker } from './simulated-broker.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { SimulatedProcess } from './simulated-process.ts'
import { SimulatedStore } from './simulated-store.ts'
import { between, type World } from './world.ts'

/** What a bug that is planted on purpose changes around the real code. */
export interface Plant {
  /** At the start of a run; gives the way to undo it at its end. */
  begin?(): () => void
  store?(store: ObjectStore, process: SimulatedProcess, world: World): ObjectStore
  started?(node: Node, world: World): void
}

/** A change of owner, as the metadata log tells of it. */
export interface Succession {
  readonly record: MetadataRecordOf<'ownership'>
  /** Planned, the old owner being alive; else taken over. */
  readonly isMove: boolean
}

const FENCED = /the WAL is fenced at (\d+)/
const DEAD_CANDIDATES = 2

/** All broker processes of a run, past and present, and what they agree on. */
export class Cluster implements Bootstrap {
  readonly world: World
  readonly network: SimulatedNetwork
  readonly store: SimulatedStore
  readonly settings: NodeSettings
  readonly brokers: SimulatedBroker[] = []
  moveCount = 0
  takeoverCount = 0
  crashCount = 0
  /** Called once per change of owner, when the first node hears of it. */
  onSuccession: (succession: Succession) => void = () => {}
  private readonly plant: Plant
  private readonly batches = new Map<number, string>()

  constructor(world: World, settings: NodeSettings, plant: Plant) {
    this.world = world
    this.settings = settings
    this.plant = plant
    this.network = new SimulatedNetwork(world)
    this.store = new SimulatedStore(world)
  }

  /** Starts a new broker process, which will register as a new node. */
  startBroker(): SimulatedBroker {
    const { world, network, settings, plant } = this
    const name = `n${this.brokers.length + 1}`
    const random = world.random(name)
    const process = new SimulatedProcess(world, name, {
      rate: between(random, 0.97, 1.03),
      wallOffsetMs: between(random, -5_000, 5_000),
    })
    const view = this.store.viewOf(process)
    const broker = new SimulatedBroker({
      world,
      network,
      process,
      random,
      settings,
      store: plant.store?.(view, process, world) ?? view,
      port: this.brokers.length,
      find: (port) => this.brokers[port],
      onStarted: (started, node) => this.started(started, node),
      onEnded: (ended, reason, error) => this.ended(ended, reason, error),
    })
    this.brokers.push(broker)
    world.trace.line(name, 'starts')
    void broker.start()
    return broker
  }

  private started({ process }: SimulatedBroker, node: Node): void {
    this.world.trace.line(process.name, `serves as node ${node.nodeId}`)
    this.plant.started?.(node, this.world)
    node.log.onApplied((delta) => this.applied(node, delta))
  }

  private ended({ process, node }: SimulatedBroker, reason: string, error: unknown): void {
    const { world } = this
    const why = error === undefined ? '' : ` (${errorText(error)})`
    world.trace.line(process.name, `ended: ${reason}${why}`)
    if (error instanceof Error && error.name.endsWith('InvariantError')) {
      world.fail('no invariant is broken', `${process.name}: ${reason}: ${error.stack}`)
    }
    const fenced = FENCED.exec(reason)
    if (fenced && node) void this.checkFence(node.nodeId, Number(fenced[1]))
    // Its answers on the way still leave, as those of a process that ends in order do.
    process.clock.after(20, () => process.kill())
  }

  /** A fence in a WAL is the only reason to call oneself fenced. */
  private async checkFence(nodeId: number, seq: number): Promise<void> {
    const key = walKey(nodeId, seq)
    const header = await this.store.truth.get(key, { start: 0, end: HEADER_BYTES })
    if (header !== null && decodeHeader(key, header).kind === objectKind.walFence) return
    this.world.fail('only a fence fences', `node ${nodeId} ended, but ${key} is no fence`)
  }

  crash(broker: SimulatedBroker): void {
    this.crashCount++
    this.world.trace.line(broker.process.name, 'crashes')
    broker.process.kill()
  }

  /** Processes that run, whatever state they are in. */
  alive(): SimulatedBroker[] {
    return this.brokers.filter(({ process }) => process.isAlive)
  }

  serving(): SimulatedBroker[] {
    return this.brokers.filter((broker) => broker.isServing)
  }

  candidates(): readonly SimulatedBroker[] {
    const dead = this.brokers.filter(({ process }) => !process.isAlive).slice(-DEAD_CANDIDATES)
    return [...this.serving(), ...dead]
  }

  atPort(port: number): SimulatedBroker | undefined {
    return this.brokers[port]
  }

  /** The node, of `brokers`, whose image is the newest; what it says is all that is decided. */
  newestNode(brokers: readonly SimulatedBroker[]): Node | null {
    let newest: Node | null = null
    for (const { node } of brokers) {
      if (node !== null && node.log.seq > (newest?.log.seq ?? 0)) newest = node
    }
    return newest
  }

  /** Every node must fold the same log; the first that does tells the rest of the run of it. */
  private applied(node: Node, { seq, records, reloaded }: AppliedDelta): void {
    if (reloaded) return
    const text = JSON.stringify(records)
    const known = this.batches.get(seq)
    if (known !== undefined) {
      if (known !== text) {
        this.world.fail('all nodes read one log', `node ${node.nodeId} reads ${text} at ${seq}`)
      }
      return
    }
    this.batches.set(seq, text)
    this.world.trace.line('meta', `#${seq} ${text}`)
    for (const record of records) {
      if (record.type !== 'ownership') continue
      const newest = record.from[0]
      if (newest?.leaderEpoch !== record.leaderEpoch - 1) continue
      const isMove = node.image.nodes.get(newest.nodeId)?.state !== 'sealed'
      if (isMove) this.moveCount++
      else this.takeoverCount++
      this.onSuccession({ record, isMove })
    }
  }
}
