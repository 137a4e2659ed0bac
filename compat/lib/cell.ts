import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadRecord } from '../../e2e/lib/acknowledged.ts'
import type { Cluster } from '../../e2e/lib/cluster.ts'
import { readTopic } from '../../e2e/lib/kcat.ts'
import { until } from '../../e2e/lib/wait.ts'
import { leadersOf } from '../../e2e/lib/wire-client.ts'
import type { Client } from './clients.ts'
import { faultsOfLog, faultsOfReading } from './ledger.ts'
import { Session } from './session.ts'
import type { SessionSettings } from './session-protocol.ts'

export const PARTITIONS = 6

/** One client in one scenario: its topic, its sessions, and the cluster it shares with others. */
export class Cell {
  readonly cluster: Cluster
  readonly client: Client
  /** Also the name of its group. */
  readonly topic: string
  /** Given to every session, such as for TLS. */
  private readonly common: Partial<SessionSettings>
  private readonly scenario: string
  private readonly sessions: Session[] = []

  constructor(options: {
    cluster: Cluster
    client: Client
    topic: string
    /** Its name. */
    scenario: string
    common?: Partial<SessionSettings>
  }) {
    this.cluster = options.cluster
    this.client = options.client
    this.topic = options.topic
    this.common = options.common ?? {}
    this.scenario = options.scenario
  }

  /** A cell with a topic of its own, for a part of a scenario. */
  part(name: string): Cell {
    const { cluster, client, scenario, common } = this
    return new Cell({ cluster, client, topic: `${this.topic}-${name}`, scenario, common })
  }

  /** A running broker's port, for questions of the runner itself. */
  get port(): number {
    const [broker] = this.cluster.running
    if (broker === undefined) throw new Error('no broker runs')
    return broker.ports.kafka
  }

  /** Starts a session on this cell's topic, and waits until it hears commands. */
  async start(settings: Omit<SessionSettings, 'bootstrap'>): Promise<Session> {
    const logFolder = join(this.cluster.folder, 'logs')
    mkdirSync(logFolder, { recursive: true })
    const bootstrap = this.cluster.bootstrap.join(',')
    const all = { bootstrap, topic: this.topic, ...this.common, ...settings }
    const session = new Session(await this.client.command(), all, logFolder)
    this.sessions.push(session)
    await session.ready()
    return session
  }

  producer(settings: Partial<SessionSettings> = {}): Promise<Session> {
    const adjusted = this.client.adjusted[this.scenario]?.producer
    return this.start({ role: 'produce', name: 'record', ...adjusted, ...settings })
  }

  consumer(settings: Partial<SessionSettings> = {}): Promise<Session> {
    return this.start({ role: 'consume', groupId: this.topic, ...settings })
  }

  createTopic(partitions = PARTITIONS): Promise<void> {
    return this.cluster.createTopic(this.topic, partitions)
  }

  /** All that is in the topic, read by librdkafka. */
  log(): Promise<ReadRecord[]> {
    const here = this.cluster.running.map(({ bootstrap }) => bootstrap)
    return readTopic(here, this.topic)
  }

  /** The node that owns a partition of the topic. */
  async leaderOf(partition: number, topic = this.topic): Promise<number> {
    for (const [nodeId, owned] of await leadersOf(this.port, topic)) {
      if (owned.includes(partition)) return nodeId
    }
    return -1
  }

  /** Throws unless everything is there once and was read, after `producer` has ended well. */
  async checkAll(producer: Session, consumers: readonly Session[]): Promise<void> {
    const log = await this.log()
    const faults = [...faultsOfLog(log, producer), ...faultsOfReading(log, consumers)]
    if (faults.length > 0) throw new Error(faults.join('; '))
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    await Promise.all(this.sessions.map((session) => session.kill()))
  }
}

const READ_MS_MAX = 60_000

/** Waits until consumers have, together, read every record that was acknowledged to `producer`. */
export async function untilAllRead(
  producer: Session,
  consumers: readonly Session[],
): Promise<void> {
  const read = new Set<string>()
  const positions = consumers.map(() => 0)
  const look = (): boolean => {
    for (const [at, { records }] of consumers.entries()) {
      consumers[at]?.checkFailures()
      for (let i = positions[at] ?? 0; i < records.length; i++) read.add(records[i]?.value ?? '')
      positions[at] = records.length
    }
    return read.size >= producer.acked.length
  }
  await until('all that was written is read', look, READ_MS_MAX).catch((error: Error) => {
    const unread = producer.acked.filter(({ value }) => !read.has(value))
    const examples = unread.slice(0, 12).map(({ value }) => value)
    throw new Error(`${error.message}: ${unread.length} are not, such as ${examples.join(' ')}`)
  })
}
