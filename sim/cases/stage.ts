import { sleep } from '../../base/clock.ts'
import { randomUuid } from '../../base/random.ts'
import { handleProduce } from '../../broker/handlers/produce.ts'
import type { Node, NodeSettings } from '../../broker/node.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import type { ProduceRequest, ProduceResponse } from '../../broker/protocol/messages/produce.ts'
import { buildBatch } from '../../broker/protocol/record-batch.ts'
import { succession, takeOver } from '../../controller/takeover.ts'
import { ownershipOf } from '../../metadata/image.ts'
import type { Ownership } from '../../metadata/records.ts'
import { recordsOf } from '../clients/consumer.ts'
import { Cluster, type Plant } from '../cluster.ts'
import type { SimulatedBroker } from '../simulated-broker.ts'
import { calmWeather, type Fate, type StoreRequest } from '../simulated-store.ts'
import { World } from '../world.ts'

/** Nothing happens by itself: no takeover, no balancing, no checkpoint but after a takeover. */
const NEVER_MS = 1e9
const SETTINGS: NodeSettings = {
  wal: { lingerMsMin: 0, lingerMsMax: 1, objectBytesTarget: 1, putsInFlightMax: 4 },
  controller: {
    tickMs: NEVER_MS,
    pingsPerSecondMax: 1_000,
    silenceMsMax: NEVER_MS,
    leaseSilenceMs: NEVER_MS,
    movesPerTickMax: 1,
    snapshotEveryBatches: NEVER_MS,
  },
  tailCacheBytes: 0,
  coldCacheBytes: 0,
  staleMsMax: NEVER_MS,
  producerExpiryMs: NEVER_MS,
  metadataPollMs: NEVER_MS,
  checkpointObjectsMax: NEVER_MS,
}
const WAIT_MS_MAX = 20_000

/** Requests to the store that are held back until they are let go. */
export interface Hold {
  /** Those that came so far. */
  readonly caught: readonly StoreRequest[]
  /** Lets go of them and of all that would still come. */
  release(): void
}

/** What a broker of a scripted history is: its process, and the node in it. */
export interface Actor {
  readonly broker: SimulatedBroker
  readonly node: Node
  readonly nodeId: number
}

/** Where a history is played step by step, with the real code and a store that does as told. */
export class Stage {
  readonly world: World
  readonly cluster: Cluster
  topicId = ''
  private readonly holds: { matches: (request: StoreRequest) => boolean; gate: Promise<void> }[] =
    []

  constructor(plant: Plant = {}) {
    this.world = new World(1, { keepsAll: true })
    this.cluster = new Cluster(this.world, SETTINGS, plant)
    this.cluster.store.weather = (request) => this.fateOf(request)
  }

  private fateOf(request: StoreRequest): Fate {
    const hold = this.holds.find(({ matches }) => matches(request))
    const fate = calmWeather(request)
    return hold === undefined ? fate : { ...fate, gate: hold.gate }
  }

  /** Says what happens next, in the trace. */
  step(text: string): void {
    this.world.trace.line('step', text)
  }

  /** Holds back what `actor` asks of keys that match. */
  hold(actor: Actor, operation: StoreRequest['operation'], key: RegExp): Hold {
    const caught: StoreRequest[] = []
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const entry = {
      gate,
      matches: (request: StoreRequest): boolean => {
        const isMatch =
          request.process === actor.broker.process &&
          request.operation === operation &&
          key.test(request.key)
        if (isMatch) caught.push(request)
        return isMatch
      },
    }
    this.holds.push(entry)
    return {
      caught,
      release: () => {
        this.holds.splice(this.holds.indexOf(entry), 1)
        release()
      },
    }
  }

  /** Waits until `condition` holds; a history in which it never does has failed. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const endMs = this.world.clock.nowMs() + WAIT_MS_MAX
    while (!condition()) {
      if (this.world.clock.nowMs() > endMs) throw new Error(`it never happened that ${what}`)
      await sleep(this.world.clock, 1)
    }
  }

  /** Starts a broker and waits until it serves. */
  async start(): Promise<Actor> {
    const broker = this.cluster.startBroker()
    await this.until(`${broker.process.name} serves`, () => broker.isServing)
    const node = broker.node as Node
    return { broker, node, nodeId: node.nodeId }
  }

  /** Creates a topic with one partition on `owner`. Histories are about the first one created. */
  async createTopic(owner: Actor): Promise<string> {
    const topicId = randomUuid(this.world.random(`topic ${this.world.trace.lineCount}`))
    if (this.topicId === '') this.topicId = topicId
    const owners = [owner.nodeId]
    await owner.node.append(() => [
      { type: 'topic-created', topicId, name: topicId, owners, configs: {}, atMs: 0 },
    ])
    await this.until('the partition is open', () => {
      return owner.node.partitions.get(topicId, 0)?.openDurable === true
    })
    return topicId
  }

  /** Who owns the partition, as `actor` knows it. */
  ownership(actor: Actor): Ownership {
    return ownershipOf(actor.node.image, this.topicId, 0) as Ownership
  }

  /** A planned move, written by `writer`. */
  async move(writer: Actor, target: Actor): Promise<void> {
    await writer.node.append((image) => {
      const ownership = ownershipOf(image, this.topicId, 0) as Ownership
      return [succession({ topicId: this.topicId, partition: 0, ownership }, target.nodeId)]
    })
  }

  /** `taker` fences and seals `victim`, and gives what it owns to `target`. */
  takeOver(taker: Actor, victim: Actor, target: Actor): ReturnType<typeof takeOver> {
    const { store, random } = taker.node.options
    return takeOver(taker.node.log, victim.nodeId, {
      store,
      random,
      clock: taker.node.clock,
      signal: new AbortController().signal,
      takerNodeId: taker.nodeId,
      targets: () => [target.nodeId],
    })
  }

  async untilOpenAt(actor: Actor): Promise<void> {
    await this.until(`node ${actor.nodeId} has the partition open`, () => {
      const partition = actor.node.partitions.get(this.topicId, 0)
      return partition?.phase === 'open' && partition.openDurable
    })
  }

  /** Sends one record with a number in it. Resolves with its offset, or null when it is refused. */
  produce(actor: Actor, payload: number, topicId = this.topicId): Promise<number | null> {
    const records = [{ key: null, value: Buffer.from(String(payload)), timestamp: 1 }]
    const makeBody = (frame: Buffer): ProduceRequest => ({
      transactionalId: null,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        {
          name: '',
          topicId,
          partitionData: [{ index: 0, records: frame }],
        },
      ],
    })
    const call = { api: apis.produce, version: 13, bytes: buildBatch(records), makeBody }
    return new Promise((resolve) => {
      actor.broker.process.deliver(() => {
        actor.broker.serve(actor.broker.accept(), handleProduce, call, (response) => {
          const part = (response as ProduceResponse).responses[0]?.partitionResponses[0]
          const offset = part?.errorCode === 0 ? part.baseOffset : null
          this.step(`record ${payload} is ${offset === null ? 'refused' : `at ${offset}`}`)
          resolve(offset)
        })
      })
    })
  }

  /** The numbers of all records, read from the bucket by their owner. */
  async read(actor: Actor): Promise<number[]> {
    const partition = actor.node.partitions.get(this.topicId, 0)
    const payloads: number[] = []
    const end = partition?.highWatermark ?? 0
    while (payloads.length < end && partition?.state) {
      const { runs } = partition.state
      const pieces = await actor.node.coldReader.read(runs, payloads.length, 1_000_000)
      for (const { payload } of recordsOf(pieces)) payloads.push(payload)
    }
    return payloads
  }

  /** Whether there is such an object in the bucket. */
  async exists(key: string): Promise<boolean> {
    return (await this.cluster.store.truth.get(key)) !== null
  }

  /** No message gets from anybody to `actor`: it hears no news. */
  isolate(actor: Actor): void {
    for (const { process } of this.cluster.alive()) {
      this.cluster.network.cut(process, actor.broker.process)
    }
  }
}

/** One scripted history. `play` returns what came of it, for `expected` to compare with. */
export interface Case {
  readonly name: string
  readonly rule: string
  play(stage: Stage): Promise<unknown>
  readonly expected: unknown
}

/** Plays one history. Throws where it cannot go on, or where a checker of the simulator found. */
export async function playCase(script: Case, plant: Plant = {}): Promise<unknown> {
  const stage = new Stage(plant)
  const unplant = plant.begin?.()
  try {
    const outcome = await stage.world.clock.run(script.play(stage), 600_000)
    const { violation } = stage.world
    if (violation !== null) throw new Error(`${violation.property}: ${violation.details}`)
    return outcome
  } finally {
    unplant?.()
  }
}
