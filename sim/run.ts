import { sleep } from '../base/clock.ts'
import { randomUuid } from '../base/random.ts'
import type { Node, NodeSettings } from '../broker/node.ts'
import { ableNodes } from '../controller/takeover.ts'
import { spread } from '../controller/balancer.ts'
import type { MetadataRecord } from '../metadata/records.ts'
import { TOPIC_NAME, type Topic } from './clients/client.ts'
import { Consumer } from './clients/consumer.ts'
import { Producer } from './clients/producer.ts'
import { Cluster, type Plant } from './cluster.ts'
import { checkMemory, readEverything, whenSettled } from './finale.ts'
import { History } from './history.ts'
import { Nemesis } from './nemesis.ts'
import { SimulatedProcess } from './simulated-process.ts'
import { StoreWeather, NO_FAULTS } from './weather.ts'
import { between, pick, type Violation, World } from './world.ts'

/** What every run must have seen before it may end. */
const ACKED_MIN = 1_000
const CRASHES_MIN = 3
const MOVES_MIN = 3
const FAULTY_MS_MIN = 6_000
/** A run that has not seen enough by then has got stuck. */
const FAULTY_MS_MAX = 180_000
const RUN_MS_MAX = 600_000

export interface RunOptions {
  readonly seed: number
  readonly keepsAll?: boolean
  readonly plant?: Plant
}

export interface RunResult {
  readonly seed: number
  readonly violation: Violation | null
  readonly digest: string
  readonly lines: readonly string[]
  readonly lineCount: number
  readonly virtualMs: number
  readonly acked: number
  readonly crashes: number
  readonly moves: number
  readonly takeovers: number
}

function settingsOf(world: World): NodeSettings {
  const random = world.random('settings')
  return {
    wal: {
      lingerMsMin: pick(world.random('least linger'), [0, 0, 5]),
      lingerMsMax: pick(random, [5, 20, 50]),
      objectBytesTarget: pick(random, [500, 2_000, 8_000]),
      putsInFlightMax: 4,
    },
    controller: {
      tickMs: 200,
      // A handful of nodes as if they were thousands: each is asked only now and then.
      pingsPerSecondMax: pick(random, [10, 1_000]),
      silenceMsMax: 1_500,
      leaseSilenceMs: 500,
      movesPerTickMax: 1_000,
      snapshotEveryBatches: pick(random, [3, 10, 30]),
    },
    tailCacheBytes: pick(random, [0, 4_000, 64_000]),
    coldCacheBytes: 16_000,
    staleMsMax: 3_000,
    producerExpiryMs: 86_400_000,
    metadataPollMs: 500,
    checkpointObjectsMax: pick(random, [3, 10, 40]),
  }
}

/** The run that is under way, for errors that reach the process rather than a caller. */
let running: World | null = null

/** Tells the run under way of an error that nobody caught. False when there is no run. */
export function tellUncaught(error: unknown): boolean {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  running?.fail('no error goes uncaught', text)
  return running !== null
}

/** Runs one seed from the start to the end, or to the first violation. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const world = new World(options.seed, { keepsAll: options.keepsAll ?? false })
  const cluster = new Cluster(world, settingsOf(world), options.plant ?? {})
  const history = new History(world)
  running = world
  const unplant = options.plant?.begin?.()
  try {
    const played = Promise.race([play(world, cluster, history), world.failed])
    await world.clock.run(played, RUN_MS_MAX)
  } catch (error) {
    world.fail('a run ends', error instanceof Error ? (error.stack ?? '') : String(error))
  }
  running = null
  unplant?.()
  return {
    seed: options.seed,
    violation: world.violation,
    lines: world.trace.lines(),
    lineCount: world.trace.lineCount,
    digest: world.trace.digest(),
    virtualMs: Math.round(world.clock.nowMs()),
    acked: history.ackedCount,
    crashes: cluster.crashCount,
    moves: cluster.moveCount,
    takeovers: cluster.takeoverCount,
  }
}

async function play(world: World, cluster: Cluster, history: History): Promise<void> {
  const { clock } = world
  const weather = new StoreWeather(world.random('store'), NO_FAULTS, cluster.store.cutOff)
  cluster.store.weather = weather.fateOf
  for (let count = 0; count < 3; count++) cluster.startBroker()
  const topic = await createTopic(world, cluster)
  const { producers, consumers } = startClients(world, cluster, history, topic)
  const nemesis = new Nemesis(cluster, weather)
  nemesis.start()
  const startMs = clock.nowMs()
  for (let isEnough = false; !isEnough; ) {
    await sleep(clock, 500)
    const faultyMs = clock.nowMs() - startMs
    isEnough =
      faultyMs >= FAULTY_MS_MIN &&
      history.ackedCount >= ACKED_MIN &&
      cluster.crashCount >= CRASHES_MIN &&
      cluster.moveCount >= MOVES_MIN
    if (faultyMs > FAULTY_MS_MAX) world.fail('a cluster with faults makes progress', 'it did not')
    if (world.violation !== null) return
  }
  for (const producer of producers) producer.stop()
  nemesis.stop()
  world.trace.line('run', 'all faults are over')
  await whenSettled(world, cluster, topic, { brokerCount: 2, producers })
  for (const consumer of consumers) consumer.stop()
  await readEverything(world, cluster, history, topic)
  await checkMemory(world, cluster)
  world.trace.line('run', 'everything from the bucket alone')
  for (const broker of cluster.alive()) broker.process.kill()
  await whenSettled(world, cluster, topic, { brokerCount: 1, producers: [] })
  await readEverything(world, cluster, history, topic)
}

/** Creates the topic of the run through the first node that can; waits for one. */
async function createTopic(world: World, cluster: Cluster): Promise<Topic> {
  const random = world.random('topic')
  const topicId = randomUuid(random)
  const partitionCount = 3 + random.below(4)
  // The wall clocks of nodes jump by days, and one that is behind would refuse what comes from now.
  const configs = { 'message.timestamp.after.max.ms': '9223372036854775807' }
  const propose = (image: Node['image']): MetadataRecord[] => {
    if (image.topics.has(topicId)) return []
    const nodes = ableNodes(image).map(({ nodeId }) => ({ nodeId, count: 0 }))
    const owners = spread(partitionCount, nodes)
    return [{ type: 'topic-created', topicId, name: TOPIC_NAME, owners, configs, atMs: 0 }]
  }
  for (;;) {
    await sleep(world.clock, 100)
    const node = cluster.serving()[0]?.node
    if (!node) continue
    await node.append((image) => propose(image as Node['image']))
    return { topicId, name: TOPIC_NAME, partitionCount }
  }
}

function startClients(
  world: World,
  cluster: Cluster,
  history: History,
  topic: Topic,
): { producers: Producer[]; consumers: Consumer[] } {
  const random = world.random('clients')
  const optionsOf = (name: string) => ({
    world,
    history,
    topic,
    network: cluster.network,
    bootstrap: cluster,
    process: new SimulatedProcess(world, name, { rate: 1, wallOffsetMs: 0 }),
    random: world.random(name),
  })
  const producers: Producer[] = []
  for (let index = 0; index < 4; index++) {
    const partitions: number[] = []
    const count = 1 + random.below(Math.min(3, topic.partitionCount))
    const first = random.below(topic.partitionCount)
    for (let at = 0; at < count; at++) partitions.push((first + at) % topic.partitionCount)
    const pauseMs = between(random, 30, 150)
    const producerId = index === 3 ? -1 : 1_000 + index
    producers.push(
      new Producer({ ...optionsOf(`producer${index}`), partitions, pauseMs, producerId }),
    )
  }
  const consumers = [0, 1].map((index) => new Consumer(optionsOf(`consumer${index}`)))
  for (const client of [...producers, ...consumers]) client.start()
  return { producers, consumers }
}
