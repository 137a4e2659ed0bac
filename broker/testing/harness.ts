import { BufferPool } from '../../base/buffer-pool.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { DEFAULT_CONTROLLER_SETTINGS } from '../../controller/controller.ts'
import type { NodeListener } from '../../metadata/records.ts'
import { memoryStore } from '../../object-store/memory.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { BrokerConfig } from '../config/broker-config.ts'
import type { Broker } from '../handlers/context.ts'
import { GroupCoordinator } from '../coordinator/group-coordinator.ts'
import { groupSettings } from '../coordinator/group-settings.ts'
import { FetchSessions } from '../handlers/fetch-sessions.ts'
import { handlers, servedApis } from '../handlers/index.ts'
import { callAnswerer } from '../handlers/passed-on.ts'
import { Node, type NodeSettings, whenServing } from '../node.ts'
import { ProducerIds } from '../producer-ids.ts'
import { allApis, type AnyApi, type Api, apis } from '../protocol/api-keys.ts'
import { codecOf, encodeToBuffer } from '../protocol/codec.ts'
import { decodeResponseHeader, responseHeaderVersion } from '../protocol/response-header.ts'
import type { Fields, StructIn, StructOut } from '../protocol/schema.ts'
import { Request } from '../request.ts'
import { CallError, type Transport } from '../transport.ts'
import { DEFAULT_WAL_SETTINGS } from '../wal/writer.ts'

const SERVING_WAIT_MS = 10_000
const FRAME_SIZE_BYTES = 4

const SETTINGS: NodeSettings = {
  wal: { ...DEFAULT_WAL_SETTINGS, lingerMsMax: 5 },
  // Nothing moves but by a test's own wish.
  controller: { ...DEFAULT_CONTROLLER_SETTINGS, tickMs: 50, movesPerTickMax: 0 },
  tailCacheBytes: 16 * 1024 * 1024,
  coldCacheBytes: 16 * 1024 * 1024,
  staleMsMax: 10_000,
  producerExpiryMs: 86_400_000,
  metadataPollMs: 100,
}

/** Brokers in this process, on one store in memory, with real time and without sockets. */
export class TestCluster {
  readonly store: ObjectStore = memoryStore()
  readonly brokers: TestBroker[] = []
  /** What brokers asked each other for, in order. */
  readonly calls: string[] = []
  private seed = 1

  /** A cluster of `count` brokers that serve, each with these broker configs. */
  static async start(
    count = 1,
    config: Readonly<Record<string, string>> = {},
  ): Promise<TestCluster> {
    const cluster = new TestCluster()
    for (let index = 0; index < count; index++) await cluster.addBroker(config)
    return cluster
  }

  async addBroker(
    config: Readonly<Record<string, string>> = {},
    settings: Partial<NodeSettings> = {},
    place: { rack?: string; listeners?: readonly NodeListener[] } = {},
  ): Promise<TestBroker> {
    const port = 10_000 + this.seed
    const random = seededRandom(this.seed++)
    const brokerConfig = new BrokerConfig(config)
    const node = await Node.start({
      store: this.store,
      clock: systemClock,
      random,
      logger: silentLogger,
      address: {
        ...{ host: 'localhost', port, internalHost: 'localhost', internalPort: port },
        ...(place.listeners && { listeners: place.listeners }),
      },
      rack: place.rack ?? null,
      version: '0',
      transport: this.transport(),
      settings: { ...SETTINGS, ...settings },
      observer: { walObject() {} },
      onEnded: () => {},
    })
    brokerConfig.follow(node)
    const parts = {
      node,
      clock: systemClock,
      random,
      logger: silentLogger,
      pool: new BufferPool(0),
    }
    const broker = new TestBroker({
      ...parts,
      logLevel: { current: 'info' },
      config: brokerConfig,
      groups: new GroupCoordinator({ ...parts, settings: groupSettings(brokerConfig) }),
      fetchSessions: new FetchSessions(random, 100),
      producerIds: new ProducerIds(node),
      served: servedApis(allApis),
    })
    this.brokers.push(broker)
    if (!(await whenServing(node, SERVING_WAIT_MS))) throw new Error('the broker does not serve')
    return broker
  }

  /** Calls between nodes: straight into the other node, one turn of the event loop later. */
  private transport(): Transport {
    return {
      call: async (target, method, body) => {
        this.calls.push(method)
        await new Promise((resolve) => {
          systemClock.after(0, () => resolve(null))
        })
        const found = this.brokers.find(({ nodeId }) => nodeId === target.nodeId)
        if (found === undefined || found.broker.node.hasEnded) {
          throw new CallError('refused', 'it has ended')
        }
        return found.answerCall(method, body)
      },
    }
  }

  /** The broker with this node id. */
  byId(nodeId: number): TestBroker {
    const found = this.brokers.find(({ broker }) => broker.node.nodeId === nodeId)
    if (found === undefined) throw new Error(`there is no broker ${nodeId}`)
    return found
  }

  /** Ends all brokers at once, as a crash would. */
  stop(): void {
    for (const { broker } of this.brokers) broker.node.abort('the test is over')
  }
}

/** One broker of a test, that can be asked as clients ask. */
export class TestBroker {
  readonly broker: Broker
  /** Answers another broker. */
  readonly answerCall: ReturnType<typeof callAnswerer>

  constructor(broker: Broker) {
    this.broker = broker
    this.answerCall = callAnswerer(broker)
  }

  get nodeId(): number {
    return this.broker.node.nodeId
  }

  /**
   * Sends a request of that version and resolves with the decoded response. Both go through their
   * encodings. Rejects when the broker closes the connection instead. `listener`: the name of the
   * one that it comes to.
   */
  call<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    version: number,
    body: StructIn<Req>,
    listener = 'test',
  ): Promise<StructOut<Res>> {
    const encoded = encodeToBuffer(api.request, version, body)
    const frame = this.broker.pool.take(encoded.length)
    encoded.copy(frame.buffer)
    const decoded = codecOf(api.request, version).decode(frame.buffer)
    return new Promise((resolve, reject) => {
      const channel = {
        listener,
        remoteAddress: 'test',
        isClosed: false,
        nowMs: () => systemClock.nowMs(),
        answered: () => {
          if (request.pieces === null || request.pieces.length === 0) return
          const answer = Buffer.concat(request.pieces)
          request.sent()
          resolve(decodeAnswer(api, version, answer))
        },
        close: () => reject(new Error('the broker closed the connection')),
      }
      const header = { api: api as unknown as AnyApi, version, correlationId: 7, clientId: null }
      const request = new Request(channel, header, decoded, frame)
      handlers.get(api.key)?.(this.broker, request)
    })
  }

  /** Sends a request on a connection that its client closes, by `close`, without an answer. */
  hangingCall<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    version: number,
    body: StructIn<Req>,
  ): { close: () => void } {
    const encoded = encodeToBuffer(api.request, version, body)
    const frame = this.broker.pool.take(encoded.length)
    encoded.copy(frame.buffer)
    const channel = {
      listener: 'test',
      remoteAddress: 'test',
      isClosed: false,
      nowMs: () => systemClock.nowMs(),
      answered: () => request.sent(),
      close: () => {
        channel.isClosed = true
        request.onConnectionClosed?.()
      },
    }
    const header = { api: api as unknown as AnyApi, version, correlationId: 7, clientId: null }
    const decoded = codecOf(api.request, version).decode(frame.buffer)
    const request = new Request(channel, header, decoded, frame)
    handlers.get(api.key)?.(this.broker, request)
    return channel
  }
}

function decodeAnswer<Req extends Fields, Res extends Fields>(
  api: Api<Req, Res>,
  version: number,
  answer: Buffer,
): StructOut<Res> {
  const headerVersion = responseHeaderVersion(api.response, version)
  const { bodyPosition } = decodeResponseHeader(answer, headerVersion, FRAME_SIZE_BYTES)
  return codecOf(api.response, version).decode(answer, bodyPosition)
}

/** A batch sent to partition `index` of the topic named so, acknowledged; resolves to its outcome. */
export async function produce(
  client: TestBroker,
  topic: string,
  index: number,
  records: Buffer,
): Promise<{ errorCode: number; baseOffset: number }> {
  const response = await client.call(apis.produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData: [{ index, records }] }],
  })
  const outcome = response.responses[0]?.partitionResponses[0]
  if (outcome === undefined) throw new Error('the produce response says nothing')
  return outcome
}

/** Creates a topic with its partitions at these nodes; without `owners` it has one, anywhere. */
export async function createTopic(
  client: TestBroker,
  name: string,
  owners: readonly number[] = [],
): Promise<void> {
  const { topics } = await client.call(apis.createTopics, 7, {
    topics: [
      {
        name,
        numPartitions: -1,
        replicationFactor: -1,
        assignments: owners.map((nodeId, partitionIndex) => {
          return { partitionIndex, brokerIds: [nodeId] }
        }),
        configs: [],
      },
    ],
  })
  if (topics[0]?.errorCode !== 0) throw new Error(`no topic: ${topics[0]?.errorMessage}`)
}
