import { VerifiableProducer } from '../../lib/kafka-tools.ts'
import { KcatLoad, readTopic } from '../../lib/kcat.ts'
import { Load } from '../../lib/load.ts'
import { VerifiableConsumer } from '../../lib/verifiable-consumer.ts'
import { until } from '../../lib/wait.ts'
import { noteLosses } from './losses.ts'
import type { Product } from './product.ts'

const PARTITIONS = 12
const ALL = Array.from({ length: PARTITIONS }, (_, index) => index)
const JAVA_RECORDS_PER_SECOND = 200

export interface TrafficOptions {
  /** Of the topics; unique among the traffics of a cluster. */
  readonly name: string
  readonly bootstrap: readonly string[]
  /** How much the Node producers write, all together. */
  readonly kibibytesPerSecond?: number
}

/**
 * Applications that must not notice anything: idempotent producers of three clients (Java, librdkafka,
 * Node), each with a topic of its own and never replaced, and a group's Java consumer.
 */
export class Traffic {
  private readonly options: TrafficOptions
  private readonly node: Load
  private readonly java: VerifiableProducer
  private readonly c: KcatLoad
  private readonly group: VerifiableConsumer

  private constructor(options: TrafficOptions) {
    const { bootstrap, kibibytesPerSecond = 100 } = options
    this.options = options
    const batchRecords = 10
    // Each partition has one batch of ten records under way at a time.
    const pauseMs = Math.round((1000 * PARTITIONS * batchRecords) / kibibytesPerSecond)
    const load = { bootstrap, partitions: ALL, batchRecords, valueBytes: 1000, pauseMs }
    this.node = new Load({ ...load, topic: this.topic('node'), name: options.name })
    this.java = new VerifiableProducer({
      ...{ bootstrap, topic: this.topic('java'), recordsPerSecond: JAVA_RECORDS_PER_SECOND },
    })
    this.c = new KcatLoad({ name: options.name, bootstrap, topic: this.topic('c') })
    this.group = new VerifiableConsumer({
      ...{ bootstrap, topic: this.topic('java'), groupId: `${options.name}-group` },
      assignor: 'CooperativeStickyAssignor',
    })
  }

  /** Resolves once all of it flows. */
  static async start(product: Product, options: TrafficOptions): Promise<Traffic> {
    for (const client of ['node', 'java', 'c']) {
      await product.createTopic(options.bootstrap, `${options.name}-${client}`, PARTITIONS)
    }
    const traffic = new Traffic(options)
    await traffic.progress()
    return traffic
  }

  private topic(client: string): string {
    return `${this.options.name}-${client}`
  }

  /** Resolves once every partition of the Node producers, and the Java producer, go on. */
  async progress(): Promise<void> {
    await Promise.all([this.node.progress(10), this.java.progress(50)])
  }

  /** The longest time since {@link listen} in which no Node producer heard of anything. */
  get silenceMsMax(): number {
    return this.node.silenceMsMax
  }

  /** Forgets what silence there was: the load is only beginning, or what is to be seen comes now. */
  listen(): void {
    this.node.silenceMsMax = 0
  }

  /**
   * Ends it, and returns what was wrong: a client that failed, a record that was acknowledged and is
   * not there, or is there twice, or one that the group has not read.
   */
  async faults(): Promise<string[]> {
    const { bootstrap } = this.options
    await Promise.all([this.node.finish(), this.java.finish()])
    const ended = await this.c.finish()
    const read = (client: string) => readTopic(bootstrap, this.topic(client))
    const [node, java, c] = [await read('node'), await read('java'), await read('c')]
    const faults = [
      ...this.node.failures,
      ...this.java.failures,
      ...(ended.code === 0 ? [] : [`kcat ended with ${ended.code}: ${ended.stderr}`]),
      ...noteLosses([
        ...this.node.acknowledged.faultsOf(node),
        ...this.java.acknowledged.faultsOf(java),
        ...this.c.faultsOf(c),
      ]),
    ]
    const wanted = this.java.acknowledged.count
    await until('the group has read all', () => this.group.recordCount >= wanted).catch(() => {
      faults.push(`the group read ${this.group.recordCount} of ${wanted} records`)
    })
    faults.push(...this.group.failedCommits)
    await this.group.finish()
    return faults
  }

  /** For a test that failed on the way. */
  async close(): Promise<void> {
    const all = [this.node, this.java, this.c, this.group]
    await Promise.all(all.map((each) => each.close()))
  }
}
