import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Logger, LogFields } from '../base/log.ts'
import type { SharedBytes } from '../base/buffer-pool.ts'
import { BrokerConfig } from '../broker/config/broker-config.ts'
import type { Broker, Handler } from '../broker/handlers/context.ts'
import { GroupCoordinator } from '../broker/coordinator/group-coordinator.ts'
import { groupSettings } from '../broker/coordinator/group-settings.ts'
import { FetchSessions } from '../broker/handlers/fetch-sessions.ts'
import { Node, type NodeSettings } from '../broker/node.ts'
import type { AnyApi } from '../broker/protocol/api-keys.ts'
import { ProducerIds } from '../broker/producer-ids.ts'
import { Request, type RequestChannel } from '../broker/request.ts'
import { retrying } from '../object-store/retrying.ts'
import type { ObjectStore } from '../object-store/store.ts'
import { GarbagePool } from './garbage-pool.ts'
import { type Callee, type SimulatedNetwork, WrongNode } from './simulated-network.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

/** How long a frame with an answer stays in use while the answer leaves. */
const SENDING_MS = 3

/** A request whose answer is taken as the object it is, before it is encoded. */
class SimulatedRequest extends Request {
  response: unknown = null

  override respond(response: unknown, frames: readonly SharedBytes[] = []): void {
    this.response = response
    this.answer([], 0, frames)
  }
}

export interface BrokerOptions {
  readonly world: World
  readonly network: SimulatedNetwork
  readonly process: SimulatedProcess
  readonly random: Random
  readonly store: ObjectStore
  readonly port: number
  readonly settings: NodeSettings
  readonly find: (internalPort: number) => Callee | undefined
  readonly onStarted: (broker: SimulatedBroker, node: Node) => void
  readonly onEnded: (broker: SimulatedBroker, reason: string, error: unknown) => void
}

/** One broker process: what broker/worker.ts puts together, with the simulator's surroundings. */
export class SimulatedBroker implements Callee {
  readonly process: SimulatedProcess
  readonly port: number
  readonly pool = new GarbagePool()
  node: Node | null = null
  private broker: Broker | null = null
  private readonly options: BrokerOptions

  constructor(options: BrokerOptions) {
    this.options = options
    this.process = options.process
    this.port = options.port
  }

  /** Whether it serves: alive, registered, not ended. */
  get isServing(): boolean {
    return this.process.isAlive && this.node !== null && !this.node.hasEnded
  }

  async start(): Promise<void> {
    const { world, network, process, random, settings, port, find } = this.options
    const { clock } = process
    const logger = traceLogger(world, process, {})
    const store = retrying(this.options.store, { clock, random })
    const ended = (reason: string, error?: unknown): void => {
      process.deliver(() => this.options.onEnded(this, reason, error))
    }
    try {
      const node = await Node.start({
        store,
        clock,
        random,
        logger,
        settings,
        address: { host: 'broker', port, internalHost: 'broker', internalPort: port },
        rack: null,
        version: '0',
        transport: network.transportOf(process, find),
        observer: { walObject() {} },
        onEnded: ended,
      })
      this.node = node
      const config = new BrokerConfig({ 'auto.create.topics.enable': 'false' })
      config.follow(node)
      const { pool } = this
      this.broker = {
        node,
        clock,
        random,
        logger,
        logLevel: { current: 'error' },
        config,
        pool,
        groups: new GroupCoordinator({
          node,
          clock,
          random,
          logger,
          pool,
          settings: groupSettings(config),
        }),
        fetchSessions: new FetchSessions(random, 10),
        producerIds: new ProducerIds(node),
        served: [],
      }
      if (node.hasEnded) return
      this.options.onStarted(this, node)
    } catch (error) {
      ended('the node could not start', error)
    }
  }

  answer(nodeId: number, method: string, body: Buffer): Buffer {
    const { node } = this
    if (node === null) throw new Error('not registered yet')
    if (node.nodeId !== nodeId) throw new WrongNode()
    return node.handleCall(method, body)
  }

  /** The server's side of a new connection. */
  accept(): ServedConnection {
    return new ServedConnection(this.process)
  }

  /**
   * Serves one request of a client. `makeBody` gives the decoded body, with records as views of the
   * frame. `answer` gets the response after the time it takes to send it.
   */
  serve(
    connection: ServedConnection,
    handler: Handler,
    call: { api: AnyApi; version: number; bytes: Buffer; makeBody: (frame: Buffer) => unknown },
    answer: (response: unknown) => void,
  ): void {
    const { broker } = this
    if (broker === null || !this.isServing) return
    const frame = this.pool.take(call.bytes.length)
    call.bytes.copy(frame.buffer)
    const { api, version } = call
    const header = { api, version, correlationId: 0, clientId: null }
    const body = call.makeBody(frame.buffer)
    const request = new SimulatedRequest(connection, header, body, frame)
    connection.add(request, answer)
    handler(broker, request)
  }
}

/** A connection as handlers know it: requests are answered strictly in their order. */
export class ServedConnection implements RequestChannel {
  readonly listener = 'plain'
  readonly remoteAddress = 'client'
  isClosed = false
  private readonly clock: Clock
  private readonly queue: { request: SimulatedRequest; answer: (response: unknown) => void }[] = []

  constructor(process: SimulatedProcess) {
    this.clock = process.clock
  }

  nowMs(): number {
    return this.clock.nowMs()
  }

  add(request: SimulatedRequest, answer: (response: unknown) => void): void {
    this.queue.push({ request, answer })
  }

  answered(): void {
    while (this.queue[0] !== undefined && this.queue[0].request.pieces !== null) {
      const { request, answer } = this.queue.shift() as (typeof this.queue)[number]
      this.clock.after(SENDING_MS, () => {
        // Only now do the bytes leave: until here they must be what they were.
        if (!this.isClosed) answer(request.response)
        request.sent()
      })
    }
  }

  close(): void {
    this.isClosed = true
  }
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** Log lines go into the trace; a broken invariant in one is a violation wherever it was caught. */
function traceLogger(world: World, process: SimulatedProcess, base: LogFields): Logger {
  const write = (level: (typeof LEVELS)[number], message: string, fields?: LogFields): void => {
    if (level === 'debug') return
    const parts: string[] = []
    for (const [name, value] of Object.entries({ ...base, ...fields })) {
      if (value instanceof Error) {
        parts.push(`${name}=${errorText(value)}`)
        if (value.name.endsWith('InvariantError')) {
          world.fail('no invariant is broken', `${process.name}: ${message}: ${value.stack}`)
        }
      } else parts.push(`${name}=${JSON.stringify(value)}`)
    }
    world.trace.line(process.name, `${level}: ${message} ${parts.join(' ')}`)
  }
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
    with: (fields) => traceLogger(world, process, { ...base, ...fields }),
  }
}

/** An error and its causes in one line. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : ` (${errorText(error.cause)})`
  return `${error.name}: ${error.message}${cause}`
}
