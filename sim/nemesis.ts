import { takeOver, succession, ableNodes } from '../controller/takeover.ts'
import { type Random, randomUuid } from '../base/random.ts'
import type { ImageState, TopicEntry } from '../metadata/image.ts'
import { TOPIC_NAME } from './clients/client.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import type { Cluster, Succession } from './cluster.ts'
import { errorText, type SimulatedBroker } from './simulated-broker.ts'
import { NO_FAULTS, type StoreFaults, type StoreWeather } from './weather.ts'
import { between, chance, pick } from './world.ts'

/** How bad the store and the network are all the time; each seed has its own. */
const STORE_CLIMATES: readonly StoreFaults[] = [
  NO_FAULTS,
  {
    failing: 5,
    conflicting: 10,
    losing: 5,
    delaying: 3,
    doubling: 10,
    dropping: 2,
    latencyMsMax: 25,
  },
  {
    failing: 20,
    conflicting: 20,
    losing: 20,
    delaying: 15,
    doubling: 20,
    dropping: 10,
    latencyMsMax: 15,
  },
  {
    failing: 50,
    conflicting: 50,
    losing: 30,
    delaying: 30,
    doubling: 50,
    dropping: 20,
    latencyMsMax: 40,
  },
]
const CLIMATE_WEIGHTS = [1, 3, 3, 1]
const TARGET_BROKERS_MAX = 4
/** A killed container is back this soon, at the earliest and at the latest. */
const RESTART_MS = { min: 50, max: 1_500 }

/** Faults become half as frequent in this time. */
const PATIENCE_MS = 20_000

interface Fault {
  readonly weight: number
  readonly strike: () => void
}

/** Does to the cluster what production does, only more often. */
export class Nemesis {
  private readonly cluster: Cluster
  private readonly weather: StoreWeather
  private readonly random: Random
  private readonly faults: readonly Fault[]
  private readonly startled: number
  private targetBrokers: number
  private isActive = true
  private readonly draining = new Set<SimulatedBroker>()

  constructor(cluster: Cluster, weather: StoreWeather) {
    this.cluster = cluster
    this.weather = weather
    const random = cluster.world.random('nemesis')
    this.random = random
    this.weather.faults = pickWeighted(random, STORE_CLIMATES, CLIMATE_WEIGHTS)
    const losing = pick(random, [0, 2, 10])
    cluster.network.faults = {
      losing,
      delaying: pick(random, [0, 10, 30]),
      lateMsMax: 2_000,
      latencyMsMax: 4,
    }
    this.targetBrokers = 2 + random.below(TARGET_BROKERS_MAX - 1)
    /** In 1,000: whoever has just been given a partition is struck before long. */
    this.startled = pick(random, [0, 50, 200])
    this.faults = this.makeFaults()
    cluster.onSuccession = (change) => this.changed(change)
  }

  /** Strikes again and again until {@link Nemesis.stop}. */
  start(): void {
    const { clock } = this.cluster.world
    const startMs = clock.nowMs()
    const next = (): void => {
      if (!this.isActive) return
      // A cluster that got nowhere so far gets more and more time between two faults.
      const patience = 1 + (clock.nowMs() - startMs) / PATIENCE_MS
      pickWeighted(
        this.random,
        this.faults,
        this.faults.map(({ weight }) => weight),
      ).strike()
      clock.after(between(this.random, 50, 700) * patience, next)
    }
    clock.after(300, next)
    const keep = (): void => {
      if (!this.isActive) return
      this.keepCount()
      clock.after(between(this.random, RESTART_MS.min, RESTART_MS.max), keep)
    }
    keep()
  }

  /** No more faults, and none left: whoever is paused or cut off goes on. */
  stop(): void {
    this.isActive = false
    this.weather.heal()
    this.cluster.network.heal()
    for (const { process } of this.cluster.alive()) if (process.isPaused) process.resume()
  }

  private note(text: string): void {
    this.cluster.world.trace.line('nemesis', text)
  }

  /** Runs `undo` some time later; it must be harmless after {@link Nemesis.stop}. */
  private later(lowMs: number, highMs: number, undo: () => void): void {
    this.cluster.world.clock.after(between(this.random, lowMs, highMs), undo)
  }

  private keepCount(): void {
    const staying = this.cluster.alive().filter((broker) => !this.draining.has(broker))
    if (staying.length < this.targetBrokers) this.cluster.startBroker()
  }

  /** A broker that serves, by chance; null when none does. */
  private anyBroker(): SimulatedBroker | null {
    const serving = this.cluster.serving().filter(({ process }) => !process.isPaused)
    return serving.length === 0 ? null : pick(this.random, serving)
  }

  private with(strike: (broker: SimulatedBroker) => void): () => void {
    return () => {
      const broker = this.anyBroker()
      if (broker !== null) strike(broker)
    }
  }

  private makeFaults(): Fault[] {
    return [
      { weight: 6, strike: this.with((broker) => this.cluster.crash(broker)) },
      { weight: 1, strike: () => this.powerFailure() },
      { weight: 4, strike: this.with((broker) => this.pause(broker)) },
      { weight: 3, strike: this.with((broker) => this.isolate(broker)) },
      { weight: 3, strike: this.with((broker) => this.cutFromStore(broker)) },
      { weight: 3, strike: this.with((broker) => this.deafen(broker)) },
      { weight: 2, strike: this.with((broker) => this.slowDown(broker)) },
      { weight: 1, strike: () => this.storeTrouble() },
      { weight: 2, strike: this.with((broker) => this.jumpClock(broker)) },
      { weight: 3, strike: this.with((broker) => this.drain(broker)) },
      { weight: 2, strike: () => this.scale() },
      { weight: 10, strike: this.with((broker) => this.move(broker)) },
      { weight: 3, strike: this.with((broker) => this.takeOverForNoReason(broker)) },
      { weight: 2, strike: this.with((broker) => this.seizeController(broker)) },
      { weight: 2, strike: this.with((broker) => this.createTopic(broker)) },
      { weight: 1, strike: this.with((broker) => this.deleteTopic(broker)) },
    ]
  }

  private powerFailure(): void {
    this.note('power failure')
    for (const broker of this.cluster.alive()) this.cluster.crash(broker)
  }

  private pause({ process }: SimulatedBroker): void {
    this.note(`pauses ${process.name}`)
    process.pause()
    this.later(100, 4_000, () => {
      if (!process.isPaused || !process.isAlive) return
      this.note(`resumes ${process.name}`)
      process.resume()
    })
  }

  /** Cut off from other brokers, one way or both; the store and clients still see it. */
  private isolate({ process }: SimulatedBroker): void {
    const { network } = this.cluster
    const ways = pick(this.random, ['in', 'out', 'both'])
    this.note(`isolates ${process.name} (${ways})`)
    const others = this.cluster.alive().map((broker) => broker.process)
    for (const other of others) {
      if (ways !== 'out') network.cut(other, process)
      if (ways !== 'in') network.cut(process, other)
    }
    this.later(200, 4_000, () => {
      for (const other of others) {
        network.mend(other, process)
        network.mend(process, other)
      }
    })
  }

  private cutFromStore({ process }: SimulatedBroker): void {
    this.note(`cuts ${process.name} off from the store`)
    this.weather.cutOff.add(process)
    this.later(200, 4_000, () => this.weather.cutOff.delete(process))
  }

  /** It hears nothing new of the metadata, but can write: what it believes gets old. */
  private deafen({ process }: SimulatedBroker): void {
    this.note(`deafens ${process.name}`)
    this.weather.deaf.add(process)
    this.later(500, 5_000, () => this.weather.deaf.delete(process))
  }

  private slowDown({ process }: SimulatedBroker): void {
    const factor = 5 + this.random.below(60)
    this.note(`slows the store down for ${process.name} by ${factor}`)
    this.weather.slow.set(process, factor)
    this.later(300, 3_000, () => this.weather.slow.delete(process))
  }

  private storeTrouble(): void {
    if (chance(this.random, 400)) {
      this.note('the store is down')
      this.weather.isDown = true
      this.later(100, 2_000, () => {
        this.weather.isDown = false
      })
      return
    }
    this.note('the store is slow')
    this.weather.slowness = 3 + this.random.below(10)
    this.later(300, 2_000, () => {
      this.weather.slowness = 1
    })
  }

  private jumpClock({ process }: SimulatedBroker): void {
    const jumpMs = Math.round(between(this.random, -7_200_000, 7_200_000))
    this.note(`moves the wall clock of ${process.name} by ${jumpMs}`)
    process.wallOffsetMs += jumpMs
  }

  private drain(broker: SimulatedBroker): void {
    const { node, process } = broker
    if (node === null || node.draining) return
    this.note(`drains ${process.name}`)
    this.draining.add(broker)
    if (chance(this.random, 500)) this.cluster.startBroker()
    const timeoutMs = between(this.random, 300, 4_000)
    void node.drain(timeoutMs)
  }

  private scale(): void {
    // One alone could move nothing.
    this.targetBrokers = 2 + this.random.below(TARGET_BROKERS_MAX - 1)
    this.note(`wants ${this.targetBrokers} brokers`)
  }

  /** A planned move by somebody who is not the controller. */
  private move({ node, process }: SimulatedBroker): void {
    if (node === null) return
    const draw = this.random.below(1_000_000)
    const targetDraw = this.random.below(1_000_000)
    const topicDraw = chance(this.random, 700) ? 0 : this.random.below(1_000_000)
    const propose = (image: ImageState): MetadataRecord[] => {
      const topics = [...image.topics.values()].sort(mainFirst)
      const topic = topics[topicDraw % Math.max(1, topics.length)]
      if (topic === undefined) return []
      const partition = draw % topic.partitions.length
      const ownership = topic.partitions[partition]
      const targets = ableNodes(image).filter(({ nodeId }) => nodeId !== ownership?.nodeId)
      const target = targets[targetDraw % Math.max(1, targets.length)]
      if (ownership === undefined || target === undefined || ownership.from.length > 0) return []
      if (image.nodes.get(ownership.nodeId)?.state === 'sealed') return []
      return [succession({ topicId: topic.topicId, partition, ownership }, target.nodeId)]
    }
    node.append(propose).then(
      ({ seq, records }) => {
        if (records.length > 0) this.note(`moved a partition at #${seq}`)
      },
      (error: unknown) => this.note(`${process.name} could not move: ${errorText(error)}`),
    )
  }

  /** A topic beside the one that clients use; its partition may move before anybody opened it. */
  private createTopic({ node, process }: SimulatedBroker): void {
    if (node === null) return
    const topicId = randomUuid(this.random)
    const able = ableNodes(node.image).map(({ nodeId }) => nodeId)
    if (able.length === 0) return
    const [owner, next] = [pick(this.random, able), pick(this.random, able)]
    const movesAtOnce = owner !== next && chance(this.random, 500)
    const created: MetadataRecord = {
      type: 'topic-created',
      topicId,
      name: topicId,
      owners: [owner],
      configs: {},
      atMs: 0,
    }
    const ownership = { nodeId: owner, leaderEpoch: 0, from: [], refs: [] }
    const moved = succession({ topicId, partition: 0, ownership }, next)
    if (movesAtOnce) this.strikeBoth(owner, next)
    const propose = (image: ImageState): MetadataRecord[] => {
      const states = [owner, next].map((nodeId) => image.nodes.get(nodeId)?.state)
      if (states.some((state) => state !== 'active')) return []
      return movesAtOnce ? [created, moved] : [created]
    }
    node.append(propose).catch((error: unknown) => {
      this.note(`${process.name} could not create a topic: ${errorText(error)}`)
    })
  }

  /** The first owner hears nothing of it, the next one dies: both are owed something. */
  private strikeBoth(ownerId: number, nextId: number): void {
    if (!chance(this.random, 500)) return
    const of = (nodeId: number): SimulatedBroker | undefined =>
      this.cluster.serving().find(({ node }) => node?.nodeId === nodeId)
    const [owner, next] = [of(ownerId), of(nextId)]
    if (owner !== undefined) this.deafen(owner)
    this.later(50, 500, () => {
      if (this.isActive && next?.isServing) this.cluster.crash(next)
    })
  }

  /** Deletes some topic that clients do not use. */
  private deleteTopic({ node, process }: SimulatedBroker): void {
    if (node === null) return
    const draw = this.random.below(1_000_000)
    const propose = (image: ImageState): MetadataRecord[] => {
      const others = [...image.topics.values()].filter(({ name }) => name !== TOPIC_NAME)
      const topic = others[draw % Math.max(1, others.length)]
      return topic === undefined ? [] : [{ type: 'topic-deleted', topicId: topic.topicId }]
    }
    node.append(propose).catch((error: unknown) => {
      this.note(`${process.name} could not delete a topic: ${errorText(error)}`)
    })
  }

  /** Two takers at once, of a node that may be well: what doubled controllers do to each other. */
  private takeOverForNoReason(victim: SimulatedBroker): void {
    const nodeId = victim.node?.nodeId
    if (nodeId === undefined) return
    const takers = this.cluster.serving().filter((broker) => broker !== victim)
    for (const { node, process } of takers.slice(0, 1 + this.random.below(2))) {
      if (node === null) continue
      this.note(`${process.name} takes node ${nodeId} over`)
      const { store, random } = node.options
      takeOver(node.log, nodeId, {
        store,
        random,
        clock: node.clock,
        signal: new AbortController().signal,
        takerNodeId: node.nodeId,
        targets: () => ableNodes(node.image).map((able) => able.nodeId),
      }).catch((error: unknown) => {
        this.note(`${process.name} could not take over: ${errorText(error)}`)
      })
    }
  }

  /** It acts as if it held the controller, whatever the metadata log says. */
  private seizeController({ node, process }: SimulatedBroker): void {
    if (node === null) return
    this.note(`${process.name} believes that it is the controller`)
    Object.defineProperty(node.controller, 'isHolder', { configurable: true, get: () => true })
    this.later(500, 3_000, () => {
      Reflect.deleteProperty(node.controller, 'isHolder')
    })
  }

  /** Strikes whoever has just become an owner: before it opened, while it opens, soon after. */
  private changed({ record }: Succession): void {
    if (!this.isActive || !chance(this.random, this.startled)) return
    const broker = this.cluster.serving().find(({ node }) => node?.nodeId === record.nodeId)
    if (broker === undefined) return
    const strike = pick(this.random, ['crash', 'crash', 'pause', 'store'])
    this.later(0, 400, () => {
      if (!this.isActive || !broker.isServing || broker.process.isPaused) return
      if (strike === 'crash') this.cluster.crash(broker)
      else if (strike === 'pause') this.pause(broker)
      else this.cutFromStore(broker)
    })
  }
}

/** The topic that clients use, then the others. */
function mainFirst(a: TopicEntry, b: TopicEntry): number {
  return Number(b.name === TOPIC_NAME) - Number(a.name === TOPIC_NAME)
}

function pickWeighted<T>(random: Random, items: readonly T[], weights: readonly number[]): T {
  let draw = random.below(weights.reduce((sum, weight) => sum + weight, 0))
  for (const [index, weight] of weights.entries()) {
    draw -= weight
    if (draw < 0) return items[index] as T
  }
  return items[0] as T
}
