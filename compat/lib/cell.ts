import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadRecord } from '../../e2e/lib/acknowledged.ts'
import type { BrokerProcess } from '../../e2e/lib/broker-process.ts'
import type { Cluster } from '../../e2e/lib/cluster.ts'
import { readTopic } from '../../e2e/lib/kcat.ts'
import { until } from '../../e2e/lib/wait.ts'
import type { Client } from './client.ts'
import { faultsOfAcknowledged, faultsOfLog, faultsOfReading } from './ledger.ts'
import { ownerOf } from './moves.ts'
import type { ScenarioCluster } from './scenario-cluster.ts'
import { Session } from './session.ts'
import type { SessionSettings } from './session-protocol.ts'

export const PARTITIONS = 6

interface CellOptions {
  readonly place: ScenarioCluster
  readonly client: Client
  readonly topic: string
  /** Its name. */
  readonly scenario: string
  /** Every session comes over TLS. */
  readonly isSecure: boolean
}

/** One client in one scenario: its topic, its sessions, and the cluster it shares with others. */
export class Cell {
  readonly place: ScenarioCluster
  readonly client: Client
  /** Also the name of its group. */
  readonly topic: string
  private readonly options: CellOptions
  private readonly sessions: Session[] = []
  private readonly parts: Cell[] = []

  constructor(options: CellOptions) {
    this.options = options
    this.place = options.place
    this.client = options.client
    this.topic = options.topic
  }

  get cluster(): Cluster {
    return this.place.cluster
  }

  /** A cell with a topic of its own, for a part of a scenario; it is closed with this one. */
  part(name: string, isSecure = this.options.isSecure): Cell {
    const part = new Cell({ ...this.options, topic: `${this.topic}-${name}`, isSecure })
    this.parts.push(part)
    return part
  }

  /** Starts a session on this cell's topic, and waits until it hears commands. */
  async start(settings: Omit<SessionSettings, 'bootstrap'>): Promise<Session> {
    const logFolder = join(this.cluster.folder, 'logs')
    mkdirSync(logFolder, { recursive: true })
    const bootstrap = this.cluster.bootstrap.join(',')
    const secure = this.options.isSecure ? this.place.secure() : {}
    const all = { bootstrap, topic: this.topic, ...secure, ...settings }
    const session = new Session(await this.client.command(), all, logFolder)
    this.sessions.push(session)
    await session.ready()
    return session
  }

  producer(settings: Partial<SessionSettings> = {}): Promise<Session> {
    const adjusted = this.client.adjusted[this.options.scenario]?.producer
    return this.start({ role: 'produce', name: 'record', ...adjusted, ...settings })
  }

  consumer(settings: Partial<SessionSettings> = {}): Promise<Session> {
    const adjusted = this.client.adjusted[this.options.scenario]?.consumer
    return this.start({ role: 'consume', groupId: this.topic, ...adjusted, ...settings })
  }

  /** A session that seeks `timeMs`, and reads `count` records from there. */
  seeker(settings: { timeMs: number; count: number }): Promise<Session> {
    const adjusted = this.client.adjusted[this.options.scenario]?.seek
    return this.start({ role: 'seek', groupId: this.topic, ...adjusted, ...settings })
  }

  /** A session that makes the admin calls of the client. */
  admin(): Promise<Session> {
    const adjusted = this.client.adjusted[this.options.scenario]?.admin
    return this.start({ role: 'admin', groupId: `${this.topic}-group`, ...adjusted })
  }

  /** How long this client needs peace before a consumer of it may end. */
  get settleMs(): number {
    return this.client.adjusted[this.options.scenario]?.settleMs ?? 0
  }

  createTopic(partitions = PARTITIONS): Promise<void> {
    return this.cluster.createTopic(this.topic, partitions)
  }

  /** All that is in the topic, read by librdkafka. */
  log(): Promise<ReadRecord[]> {
    const here = this.cluster.running.map(({ bootstrap }) => bootstrap)
    return readTopic(here, this.topic)
  }

  /** The broker that owns a partition of the topic. */
  async leaderOf(partition: number): Promise<BrokerProcess> {
    return this.cluster.node(await ownerOf(this.cluster, this.topic, partition))
  }

  /** Throws unless everything is there once and was read, after all producers have ended well. */
  async checkAll(producers: readonly Session[], consumers: readonly Session[]): Promise<void> {
    const log = await this.log()
    const faults = [...faultsOfLog(log, producers), ...faultsOfReading(log, consumers)]
    if (faults.length > 0) throw new Error(faults.join('; '))
  }

  /**
   * What became of what was acknowledged here and in all parts. That must hold even when the rest
   * of the cell has failed; nothing may run any more.
   */
  async faultsOfAcknowledged(): Promise<string[]> {
    const faults: string[] = []
    for (const part of this.parts) faults.push(...(await part.faultsOfAcknowledged()))
    const producers = this.sessions.filter(({ settings, hasEndedWell }) => {
      return settings.role === 'produce' && (hasEndedWell || !this.client.tellsAtEnd)
    })
    // Without one the topic may not even be there.
    if (producers.some(({ acked }) => acked.length > 0)) {
      faults.push(...faultsOfAcknowledged(await this.log(), producers))
    }
    return faults
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    await Promise.all([
      ...this.sessions.map((each) => each.kill()),
      ...this.parts.map((each) => each.close()),
    ])
  }
}

const READ_MS_MAX = 60_000

/** Waits until consumers have, together, read every record that was acknowledged to producers. */
export async function untilAllRead(
  producers: readonly Session[],
  consumers: readonly Session[],
): Promise<void> {
  const read = new Set<string>()
  const positions = consumers.map(() => 0)
  const acked = producers.flatMap((each) => each.acked)
  const look = (): boolean => {
    for (const [at, { records }] of consumers.entries()) {
      consumers[at]?.checkFailures()
      for (let i = positions[at] ?? 0; i < records.length; i++) read.add(records[i]?.value ?? '')
      positions[at] = records.length
    }
    return read.size >= acked.length
  }
  await until('all that was written is read', look, READ_MS_MAX).catch((error: Error) => {
    const unread = acked.filter(({ value }) => !read.has(value))
    const examples = unread.slice(0, 12).map(({ value }) => value)
    throw new Error(`${error.message}: ${unread.length} are not, such as ${examples.join(' ')}`)
  })
}
