import { BufferPool } from '../base/buffer-pool.ts'
import { type Clock, systemClock, type Timer } from '../base/clock.ts'
import type { Logger, LogLevelSetting } from '../base/log.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { instrumented, type RequestEnd } from '../object-store/instrumented.ts'
import { openStore } from '../object-store/open.ts'
import { probeStore, quickProbe } from '../object-store/probe.ts'
import { retrying } from '../object-store/retrying.ts'
import type { ObjectStore } from '../object-store/store.ts'
import { METADATA_LOG_PREFIX } from '../metadata/keys.ts'
import { AdminServer } from './admin/admin-server.ts'
import { httpTransport } from './admin/internal-calls.ts'
import { BrokerMetrics } from './broker-metrics.ts'
import { BrokerConfig, whyNotBrokerConfigs } from './config/broker-config.ts'
import type { Broker } from './handlers/context.ts'
import { GroupCoordinator } from './coordinator/group-coordinator.ts'
import { groupSettings } from './coordinator/group-settings.ts'
import { FetchSessions } from './handlers/fetch-sessions.ts'
import { handlers, servedApis } from './handlers/index.ts'
import { callAnswerer } from './handlers/passed-on.ts'
import { Node, type NodeSettings, whenServing } from './node.ts'
import { ProducerIds } from './producer-ids.ts'
import { allApis, type AnyApi } from './protocol/api-keys.ts'
import type { Request } from './request.ts'
import { advertisedListeners, hostFor, isAnyHost, Listeners } from './server/listeners.ts'
import type { BrokerSettings } from './settings.ts'

/** Free frame memory that is kept for the next requests. */
const POOL_FREE_BYTES_MAX = 64 * 1024 * 1024
/** Reading goes on once the backlog has fallen to this share of its bound. */
const RESUME_RATIO = 0.75
const SERVING_WAIT_MS = 60_000
/** Answers under way are given so long to leave after a drain. */
const LINGER_AFTER_DRAIN_MS = 200
const UTILIZATION_WINDOW_MS = 1_000
/** How often it is looked for idle connections. */
const IDLE_LOOK_MS = 5_000
/** Beyond what a producer waits for its acknowledgement on any day. */
const SLOW_STORE_MS = 2_000

/** What a broker tells of itself once it serves. */
export interface Started {
  readonly nodeId: number
  /** Where its first listener listens, as host:port. */
  readonly kafka: string
  readonly admin: string
  /** What clients are told to connect to, by the names of the listeners. */
  readonly listeners: Readonly<Record<string, string>>
}

/** One broker: sockets, handlers and a node, put together. */
export class Worker {
  private readonly settings: BrokerSettings
  private readonly logger: Logger
  private readonly clock: Clock = systemClock
  private readonly random: Random = systemRandom
  private readonly metrics = new BrokerMetrics()
  private readonly pool = new BufferPool(POOL_FREE_BYTES_MAX)
  private readonly config: BrokerConfig
  private readonly served: readonly AnyApi[] = servedApis(allApis)
  private readonly logLevel: LogLevelSetting
  private readonly onEnded: (reason: string, error?: unknown) => void
  private broker: Broker | null = null
  private answerCall: ReturnType<typeof callAnswerer> | null = null
  private listeners: Listeners | null = null
  private admin: AdminServer | null = null
  private store: ObjectStore | null = null
  private ready = false
  private hasEnded = false
  private readonly beats = new Map<() => void, Timer>()
  private held = false
  private utilization = 0

  constructor(
    settings: BrokerSettings,
    logger: Logger,
    onEnded: (reason: string, error?: unknown) => void,
    logLevel: LogLevelSetting = { current: settings.logLevel },
  ) {
    this.settings = settings
    this.logger = logger
    this.config = new BrokerConfig(settings.config)
    this.onEnded = onEnded
    this.logLevel = logLevel
  }

  /** Starts everything and resolves once clients are served. Throws what a person must mend. */
  async start(): Promise<Started> {
    const { settings, clock, random, logger } = this
    const why = whyNotBrokerConfigs(settings.config)
    if (why !== null) throw new Error(`the broker's configs cannot be used: ${why}`)
    // Before the store, which may be away: who waits for it is alive, and must not be killed for that.
    const { kafkaPorts, adminPort } = await this.listen()
    const store = await this.openStore()
    const isNew = await this.probe(store)
    let secret: () => string | null = () => null
    const transport = httpTransport(() => secret())
    const advertised = advertisedListeners(settings.listeners, kafkaPorts)
    const [first] = settings.listeners
    const kafkaHost = hostFor(first?.listen.host ?? '')
    const adminHost = hostFor(
      isAnyHost(settings.adminListen.host) ? kafkaHost : settings.adminListen.host,
    )
    const node = await Node.start({
      store,
      clock,
      random,
      logger,
      transport,
      address: {
        host: advertised[0]?.host ?? '',
        port: advertised[0]?.port ?? 0,
        listeners: advertised,
        internalHost: adminHost,
        internalPort: adminPort,
      },
      rack: settings.rack,
      version: process.env['npm_package_version'] ?? '0',
      settings: this.nodeSettings(),
      observer: { walObject: (measured) => this.walObject(measured) },
      onMetadata: (image) => {
        secret = () => image.scalars.secret
      },
      onEnded: (reason, error) => this.ended(reason, error),
    })
    this.config.follow(node)
    await this.recordProbe(node, isNew)
    this.broker = this.brokerOf(node)
    this.answerCall = callAnswerer(this.broker)
    this.listeners?.holdAll(false)
    this.metrics.watch(node, clock, {
      connections: () => this.listeners?.connectionCount ?? 0,
      connectionsRefused: () => this.listeners?.refusedCount ?? 0,
      requestBytes: () => this.listeners?.requestBytes ?? 0,
      unsentBytes: () => this.listeners?.unsentBytes ?? 0,
      pooledBytes: () => this.pool.bytesInUse,
      eventLoopUtilization: () => this.utilization,
      saturation: () => this.saturation(node),
    })
    this.measureUtilization()
    this.closeIdle()
    this.ready = await whenServing(node, SERVING_WAIT_MS)
    if (!this.ready) throw new Error('the node did not get to serving: no controller, or no store')
    return {
      nodeId: node.nodeId,
      kafka: `${kafkaHost}:${kafkaPorts[0]}`,
      admin: `${adminHost}:${adminPort}`,
      listeners: Object.fromEntries(
        advertised.map(({ name, host, port }) => [name, `${host}:${port}`]),
      ),
    }
  }

  private brokerOf(node: Node): Broker {
    return {
      node,
      clock: this.clock,
      random: this.random,
      logger: this.logger,
      logLevel: this.logLevel,
      pool: this.pool,
      config: this.config,
      recordValidation: this.settings.recordValidation,
      fetchSessions: new FetchSessions(
        this.random,
        this.config.number('max.incremental.fetch.session.cache.slots'),
      ),
      producerIds: new ProducerIds(node),
      groups: this.groupsOf(node),
      served: this.served,
    }
  }

  /** Settings that are configs as well are read when they are needed: they change meanwhile. */
  private nodeSettings(): NodeSettings {
    const { config } = this
    return {
      ...this.settings.node,
      get producerExpiryMs() {
        return config.number('producer.id.expiration.ms')
      },
    }
  }

  private groupsOf(node: Node): GroupCoordinator {
    const { clock, random, pool } = this
    const logger = this.logger.with({ node: node.nodeId })
    const settings = groupSettings(this.config)
    return new GroupCoordinator({ node, clock, random, logger, pool, settings })
  }

  private async openStore(): Promise<ObjectStore> {
    const { clock, random } = this
    const store = await openStore(this.settings.store, { clock, random })
    const measured = instrumented(store, {
      clock,
      onRequest: (end) => {
        this.metrics.storeRequest(end)
        this.warnOfSlowStore(end)
      },
    })
    this.store = retrying(measured, { clock, random })
    return this.store
  }

  /** Clients feel such a request: what waits for it is in no error, and in metrics one of many. */
  private warnOfSlowStore({ operation, durationMs, errorKind }: RequestEnd): void {
    if (durationMs < SLOW_STORE_MS) return
    const fields = {
      operation,
      durationMs: Math.round(durationMs),
      ...(errorKind && { errorKind }),
    }
    this.logger.warn('the store took long for a request', fields)
  }

  /** Refuses a store that cannot decide (design §2). Returns whether the bucket is still empty. */
  private async probe(store: ObjectStore): Promise<boolean> {
    const { clock, random } = this
    const isNew = (await store.list({ prefix: METADATA_LOG_PREFIX, limit: 1 })).length === 0
    const probe = isNew ? probeStore : quickProbe
    const result = await probe(store, { clock, random })
    if (!result.ok) throw new Error(`${store.description} cannot be used: ${result.reason}`)
    return isNew
  }

  private async recordProbe(node: Node, wasProbed: boolean): Promise<void> {
    if (!wasProbed) return
    const atMs = this.clock.wallMs()
    await node.append((image) =>
      image.scalars.storeProbed ? null : [{ type: 'store-probed', atMs, rounds: 16, racers: 32 }],
    )
  }

  private async listen(): Promise<{ kafkaPorts: readonly number[]; adminPort: number }> {
    const { settings, logger, clock, config, pool } = this
    const { listeners, tlsPollMs, unsentBytesMax, requestBytesMax } = settings
    this.listeners = new Listeners({
      ...{ listeners, tlsPollMs, unsentBytesMax, requestBytesMax },
      ...{ config, pool, logger, clock, dispatcher: this },
    })
    this.admin = new AdminServer(
      {
        metrics: this.metrics.registry,
        isLive: () => !this.broker?.node.hasEnded,
        isReady: () => this.ready && (this.broker?.node.isFresh ?? false),
        load: () => this.load(),
        identity: () => this.identity(),
        call: (method, body) => {
          if (this.answerCall === null) throw new Error('not registered yet')
          return this.answerCall(method, body)
        },
      },
      logger,
    )
    const kafkaPorts = await this.listeners.listen()
    const adminPort = await this.admin.listen(settings.adminListen.host, settings.adminListen.port)
    return { kafkaPorts, adminPort }
  }

  private identity(): { nodeId: number; secret: string } | null {
    const node = this.broker?.node
    const secret = node?.image.scalars.secret
    // A node that has ended answers nobody, and that is no fault to warn of.
    return node && !node.hasEnded && secret ? { nodeId: node.nodeId, secret } : null
  }

  serves(api: AnyApi): boolean {
    return this.broker !== null && handlers.has(api.key)
  }

  dispatch(request: Request): void {
    const { broker } = this
    const handle = handlers.get(request.api.key)
    if (broker === null || handle === undefined) {
      request.respondNothing()
      request.connection.close()
      return
    }
    broker.node.loadMeter.total.requests++
    request.onAnswered = this.onAnswered
    handle(broker, request)
    if (!this.held && broker.node.wal.backlogBytes > this.settings.backlogBytesMax) this.hold(true)
  }

  private readonly onAnswered = (request: Request): void => {
    this.metrics.requestAnswered(request.api, (this.clock.nowMs() - request.receivedAtMs) / 1000)
  }

  private walObject(measured: { bytes: number; waitMs: number; putMs: number }): void {
    this.metrics.walObject(measured)
    const backlogBytes = this.broker?.node.wal.backlogBytes ?? 0
    if (this.held && backlogBytes < this.settings.backlogBytesMax * RESUME_RATIO) this.hold(false)
  }

  private hold(hold: boolean): void {
    this.held = hold
    this.listeners?.holdAll(hold)
  }

  /** Until the broker has ended: a timer of its own would keep the process. */
  private every(periodMs: number, action: () => void): void {
    const beat = (): void => {
      if (this.hasEnded) return
      action()
      this.beats.set(action, this.clock.after(periodMs, beat))
    }
    this.beats.set(action, this.clock.after(periodMs, beat))
  }

  private measureUtilization(): void {
    let last = performance.eventLoopUtilization()
    this.every(UTILIZATION_WINDOW_MS, () => {
      const now = performance.eventLoopUtilization()
      this.utilization = performance.eventLoopUtilization(now, last).utilization
      last = now
    })
  }

  private closeIdle(): void {
    const idleMsMax = this.config.number('connections.max.idle.ms')
    const periodMs = idleMsMax > 0 ? Math.min(IDLE_LOOK_MS, idleMsMax) : IDLE_LOOK_MS
    this.every(periodMs, () => this.listeners?.closeIdle())
  }

  /** Share used of what is scarcest: at 1 the loop is always busy, or producers are held up. */
  private saturation({ wal }: Node): number {
    return Math.max(this.utilization, wal.backlogBytes / this.settings.backlogBytesMax)
  }

  private load(): unknown {
    const node = this.broker?.node
    if (node === undefined) return { state: 'starting' }
    node.loadMeter.sample()
    const { bytesIn, bytesOut, requests } = node.loadMeter.ratesPerSecond
    let clusterPartitions = 0
    for (const { partitions } of node.image.topics.values()) clusterPartitions += partitions.length
    return {
      nodeId: node.nodeId,
      state: node.draining ? 'draining' : 'active',
      partitions: node.partitions.size,
      bytesInPerSecond: Math.round(bytesIn),
      bytesOutPerSecond: Math.round(bytesOut),
      requestsPerSecond: Math.round(requests),
      eventLoopUtilization: Math.round(this.utilization * 1000) / 1000,
      walBacklogBytes: node.wal.backlogBytes,
      saturation: Math.round(this.saturation(node) * 1000) / 1000,
      movesIn: node.partitions.movedIn,
      movesOut: node.partitions.movedOut,
      clusterPartitions,
      controller: node.controller.isHolder,
    }
  }

  /** Gives everything away and ends. */
  async drain(): Promise<void> {
    if (this.broker === null) return this.ended('stopped before it had started')
    await this.broker.node.drain(this.settings.drainMsMax)
  }

  private ended(reason: string, error?: unknown): void {
    this.ready = false
    this.hasEnded = true
    for (const timer of this.beats.values()) timer.cancel()
    const close = (): void => {
      this.listeners?.close()
      this.admin?.close()
      void this.store?.close()
      this.onEnded(reason, error)
    }
    if (reason === 'drained') this.clock.after(LINGER_AFTER_DRAIN_MS, close)
    else close()
  }
}
