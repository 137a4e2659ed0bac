import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { apis } from '../../broker/protocol/api-keys.ts'
import { BrokerProcess, type BrokerPorts } from './broker-process.ts'
import { freePort } from './ports.ts'
import { until } from './wait.ts'
import { ask, metadataOf } from './wire-client.ts'

export interface ClusterOptions {
  /** By default a folder of its own. */
  readonly store?: string
  readonly env?: Environment
}

type Environment = Readonly<Record<string, string>>

/** Broker processes on one bucket. Whoever makes one closes it. */
export class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'streamcluster-e2e-'))
  /** Every process that was ever started, in order. */
  readonly started: BrokerProcess[] = []
  readonly store: string
  private readonly options: ClusterOptions

  constructor(options: ClusterOptions = {}) {
    this.options = options
    this.store = options.store ?? pathToFileURL(join(this.folder, 'bucket')).href
    mkdirSync(join(this.folder, 'logs'))
  }

  /** A cluster of `count` brokers that serve. The first creates it, the others join. */
  static async start(count: number, options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options)
    try {
      await cluster.startBroker()
      const others = Array.from({ length: count - 1 }, () => cluster.startBroker())
      await Promise.all(others)
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  get running(): BrokerProcess[] {
    return this.started.filter(({ isRunning }) => isRunning)
  }

  /** Addresses of everything that was ever started: what clients are given. */
  get bootstrap(): string[] {
    return [...new Set(this.started.map(({ bootstrap }) => bootstrap))]
  }

  /** Starts a broker, on the ports of one that is gone or on fresh ones, without waiting for it. */
  async launch(ports?: BrokerPorts, env: Environment = {}): Promise<BrokerProcess> {
    const broker = new BrokerProcess({
      ports: ports ?? { kafka: await freePort(), admin: await freePort() },
      env: { STREAMCLUSTER_STORE: this.store, ...this.options.env, ...env },
      logFolder: join(this.folder, 'logs'),
    })
    this.started.push(broker)
    return broker
  }

  async startBroker(ports?: BrokerPorts, env?: Environment): Promise<BrokerProcess> {
    return (await this.launch(ports, env)).ready()
  }

  /** The running broker with this node id. */
  node(nodeId: number): BrokerProcess {
    const broker = this.running.find((each) => each.nodeId === nodeId)
    if (broker === undefined) throw new Error(`node ${nodeId} does not run`)
    return broker
  }

  /** A running broker that is not `other`. */
  anyBut(other: BrokerProcess): BrokerProcess {
    const broker = this.running.find((each) => each !== other)
    if (broker === undefined) throw new Error('no other broker runs')
    return broker
  }

  /** The running broker that says it holds the controller. */
  controller(): Promise<BrokerProcess> {
    return until('a broker is the controller', async () => {
      for (const broker of this.running) if ((await broker.load()).controller) return broker
      return null
    })
  }

  /** Resolves once every broker knows the topic. */
  async createTopic(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const port = this.running[0]?.ports.kafka ?? 0
    const { topics } = await ask(port, apis.createTopics, 5, {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    const [answer] = topics
    if (answer?.errorCode !== 0) throw new Error(`topic ${name}: error ${answer?.errorCode}`)
    // As in Kafka, the other brokers hear of it a little later.
    for (const broker of this.running) {
      await until(`broker ${broker.nodeId} knows topic ${name}`, async () => {
        const described = await metadataOf(broker.ports.kafka, name)
        return described.topics[0]?.partitions.length === partitions
      })
    }
  }

  /** Ends all processes at once and removes the folder (kept when E2E_KEEP is set, for its logs). */
  async close(): Promise<void> {
    await Promise.all(this.running.map((broker) => broker.kill()))
    if (process.env.E2E_KEEP === undefined) {
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
    }
  }
}
