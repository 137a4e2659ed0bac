import type { Random } from '../../base/random.ts'
import type { Handler } from '../../broker/handlers/context.ts'
import { handleMetadata } from '../../broker/handlers/metadata.ts'
import { type AnyApi, apis } from '../../broker/protocol/api-keys.ts'
import type { MetadataRequest, MetadataResponse } from '../../broker/protocol/messages/metadata.ts'
import type { ServedConnection, SimulatedBroker } from '../simulated-broker.ts'
import { Connection, type SimulatedNetwork } from '../simulated-network.ts'
import type { SimulatedProcess } from '../simulated-process.ts'
import { chance, pick, type World } from '../world.ts'

/** What clients know of the cluster from outside: where brokers may be. */
export interface Bootstrap {
  /** Brokers that were started lately, dead ones included. */
  candidates(): readonly SimulatedBroker[]
  atPort(port: number): SimulatedBroker | undefined
}

/** The topic that clients use; the nemesis makes others beside it. */
export const TOPIC_NAME = 'topic'

export interface Topic {
  readonly topicId: string
  readonly name: string
  readonly partitionCount: number
}

export interface ClientOptions {
  readonly world: World
  readonly network: SimulatedNetwork
  readonly process: SimulatedProcess
  readonly random: Random
  readonly bootstrap: Bootstrap
  readonly topic: Topic
}

/** A connection with its server's side. */
interface Way {
  readonly connection: Connection
  readonly broker: SimulatedBroker
  readonly served: ServedConnection
}

interface Leader {
  readonly nodeId: number
  readonly leaderEpoch: number
}

/** A leader that an error names, with its port where the answer has it (KIP-951). */
export interface NamedLeader extends Leader {
  readonly port: number | undefined
}

/** The leader in an error of produce or fetch, or null. */
export function namedLeader(
  leader: { leaderId?: number | undefined; leaderEpoch?: number | undefined } | undefined,
  endpoints: readonly { nodeId: number; port: number }[] | undefined,
): NamedLeader | null {
  const nodeId = leader?.leaderId ?? -1
  if (nodeId < 0) return null
  const port = endpoints?.find((endpoint) => endpoint.nodeId === nodeId)?.port
  return { nodeId, leaderEpoch: leader?.leaderEpoch ?? -1, port }
}

const METADATA_TIMEOUT_MS = 400
/** In 1,000: a client believes an older leader epoch, as clients before KIP-320 do. */
const GULLIBLE = 200
const EMPTY = Buffer.alloc(0)

/** A Kafka client's connections and its view of who leads which partition. */
export class Client {
  readonly options: ClientOptions
  private readonly leaders = new Map<number, Leader>()
  private readonly ports = new Map<number, number>()
  private readonly connections = new Map<string, Way>()

  constructor(options: ClientOptions) {
    this.options = options
  }

  leaderOf(partition: number): Leader | undefined {
    return this.leaders.get(partition)
  }

  /** The connection to a node, opened if need be; null when its address is not known. */
  private wayTo(nodeId: number, purpose: string): Way | null {
    const port = this.ports.get(nodeId)
    const broker = port === undefined ? undefined : this.options.bootstrap.atPort(port)
    if (broker === undefined) return null
    const id = `${nodeId}/${purpose}`
    const known = this.connections.get(id)
    if (known !== undefined && !known.connection.isClosed) return known
    const way = this.connect(broker)
    this.connections.set(id, way)
    return way
  }

  private connect(broker: SimulatedBroker): Way {
    const { world, network, process } = this.options
    const connection = new Connection(world, network, process, broker.process)
    return { connection, broker, served: broker.accept() }
  }

  /** An answer named the leader (KIP-951), or metadata did. Older epochs are mostly not believed. */
  learn(partition: number, { nodeId, leaderEpoch, port }: NamedLeader): void {
    if (port !== undefined) this.ports.set(nodeId, port)
    const known = this.leaders.get(partition)
    const isOlder = known !== undefined && leaderEpoch < known.leaderEpoch
    if (isOlder && !chance(this.options.random, GULLIBLE)) return
    this.leaders.set(partition, { nodeId, leaderEpoch })
  }

  /** Asks some broker who leads what; `done` in any case. */
  refresh(done: () => void): void {
    const { process, random, bootstrap, topic } = this.options
    const candidates = bootstrap.candidates()
    if (candidates.length === 0) {
      process.clock.after(METADATA_TIMEOUT_MS, done)
      return
    }
    const { broker, connection, served } = this.connect(pick(random, candidates))
    const body: MetadataRequest = {
      topics: [{ topicId: topic.topicId, name: null }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    }
    const call = { api: apis.metadata, version: 12, bytes: EMPTY, makeBody: () => body }
    connection.request<MetadataResponse>(
      (answer) => broker.serve(served, handleMetadata, call, answer as (reply: unknown) => void),
      METADATA_TIMEOUT_MS,
      (response) => {
        connection.close()
        if (response !== null) this.take(response)
        done()
      },
    )
  }

  private take(response: MetadataResponse): void {
    for (const { nodeId, port } of response.brokers) this.ports.set(nodeId, port)
    for (const topic of response.topics) {
      for (const { partitionIndex, leaderId, leaderEpoch } of topic.partitions ?? []) {
        const port = this.ports.get(leaderId)
        this.learn(partitionIndex, { nodeId: leaderId, leaderEpoch: leaderEpoch ?? -1, port })
      }
    }
  }

  /** Sends one request to the leader of `partition`; `done` gets null when there is no answer. */
  ask<T>(
    partition: number,
    call: {
      handler: Handler
      api: AnyApi
      version: number
      bytes: Buffer
      makeBody: (frame: Buffer) => unknown
      /** Requests of one purpose go over one connection. */
      purpose: string
      timeoutMs: number
      /** Takes what it needs of the answer before its memory is used again. */
      read: (response: unknown) => T
    },
    done: (reply: T | null) => void,
  ): void {
    const leader = this.leaders.get(partition)
    const way = leader === undefined ? null : this.wayTo(leader.nodeId, call.purpose)
    if (way === null) {
      this.options.process.clock.after(1, () => done(null))
      return
    }
    const { connection, broker, served } = way
    const serve = (answer: (reply: T) => void): void => {
      broker.serve(served, call.handler, call, (response) => answer(call.read(response)))
    }
    connection.request<T>(serve, call.timeoutMs, done)
  }
}
