import type { BufferPool } from '../../base/buffer-pool.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { NodeListener } from '../../metadata/records.ts'
import type { BrokerConfig } from '../config/broker-config.ts'
import type { ListenerSettings } from '../listener-settings.ts'
import { ByteBound } from './byte-bound.ts'
import type { Connection, Dispatcher } from './connection.ts'
import { AddressLimits } from './address-limits.ts'
import {
  type ConnectionLimits,
  ConnectionQuotas,
  type ListenerLimits,
} from './connection-quotas.ts'
import { RequestBudget } from './request-budget.ts'
import { Server } from './server.ts'
import { TlsCredentials } from './tls-credentials.ts'

/** A client that takes nothing, or sends nothing, for so long is closed once memory is short. */
const STALLED_MS_MAX = 10_000
/** Nor does a client get longer for a large frame then: by that time it has given up (request.timeout.ms). */
const UNFINISHED_MS_MAX = 30_000

export interface ListenersOptions {
  readonly listeners: readonly ListenerSettings[]
  readonly config: BrokerConfig
  readonly pool: BufferPool
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  readonly clock: Clock
  readonly tlsPollMs: number
  readonly unsentBytesMax: number
  /** What holds where queued.max.request.bytes says that there is no bound. */
  readonly requestBytesMax: number
}

/** All that Kafka clients connect to, and the bounds that its parts share. */
export class Listeners {
  private readonly options: ListenersOptions
  private readonly servers: Server[] = []
  private readonly quotas: ConnectionQuotas
  private readonly requests: RequestBudget
  private readonly unsent: ByteBound

  constructor(options: ListenersOptions) {
    this.options = options
    const { config, clock, logger } = options
    const overrides = (): string => config.get('max.connections.per.ip.overrides')
    const addresses = new AddressLimits(overrides(), (why) => logger.warn(why))
    const limits = (): ConnectionLimits => ({
      connectionsMax: config.number('max.connections'),
      perAddressMax: config.number('max.connections.per.ip'),
      addressOverrides: addresses.of(overrides()),
      perSecondMax: config.number('max.connection.creation.rate'),
      listener: (name) => this.listenerLimits(name),
    })
    this.quotas = new ConnectionQuotas(limits, () => clock.nowMs())
    this.requests = new RequestBudget(
      () => this.requestBytesMax(),
      (isOver) => {
        for (const server of this.servers) server.holdRequests(isOver)
      },
    )
    this.unsent = new ByteBound(
      () => options.unsentBytesMax,
      (isOver) => {
        if (!isOver) for (const server of this.servers) server.pumpAll()
      },
    )
  }

  /** Kafka writes -1 for no bound; a client could then have memory for the asking. */
  private requestBytesMax(): number {
    const bytes = this.options.config.number('queued.max.request.bytes')
    return bytes <= 0 ? this.options.requestBytesMax : bytes
  }

  private listenerLimits(name: string): ListenerLimits {
    // Kafka writes the names of listeners in lower case there.
    const prefix = `listener.name.${name.toLowerCase()}.`
    const limit = (config: string): number =>
      Number(this.options.config.valueOf(prefix + config) ?? Number.POSITIVE_INFINITY)
    return {
      connectionsMax: limit('max.connections'),
      perSecondMax: limit('max.connection.creation.rate'),
    }
  }

  /** Resolves with the ports, in the order of the settings, once all listen; none is read yet. */
  async listen(): Promise<readonly number[]> {
    const { listeners, config, pool, dispatcher, logger, clock, tlsPollMs } = this.options
    const ports: number[] = []
    for (const { name, listen, tls: settings } of listeners) {
      const tls =
        settings &&
        (await TlsCredentials.load({ listener: name, settings, clock, logger, pollMs: tlsPollMs }))
      const server = new Server({
        listener: name,
        host: listen.host,
        port: listen.port,
        pool,
        frameBytesMax: config.number('socket.request.max.bytes'),
        dispatcher,
        logger,
        clock,
        tls,
        quotas: this.quotas,
        requestBytes: this.requests,
        unsentBytes: this.unsent,
      })
      this.servers.push(server)
      ports.push(await server.listen())
      // Clients may come as soon as the port is there; nothing can be answered before the node is.
      server.holdAll(true)
    }
    return ports
  }

  get connectionCount(): number {
    return this.quotas.count
  }

  get refusedCount(): number {
    return this.quotas.refusedCount
  }

  /** Bytes of answers that clients have not taken. */
  get unsentBytes(): number {
    return this.unsent.bytes
  }

  /** Bytes of requests that are not answered, as queued.max.request.bytes counts them. */
  get requestBytes(): number {
    return this.requests.bytes
  }

  holdAll(hold: boolean): void {
    for (const server of this.servers) server.holdAll(hold)
  }

  /** Closes what is idle, and what stands in the way; to be called now and then. */
  closeIdle(): void {
    const idleMsMax = this.options.config.number('connections.max.idle.ms')
    for (const server of this.servers) {
      server.closeIdle(idleMsMax)
      if (this.unsent.isOver) server.closeStalled(STALLED_MS_MAX)
    }
    const connections = this.servers.flatMap((server) => [...server.connections])
    if (this.requests.isGrownOver) {
      const slow = connections.filter((each) => each.isSlow(STALLED_MS_MAX, UNFINISHED_MS_MAX))
      for (const each of slow) this.closeForOthers(each)
    }
    if (this.requests.isOver) {
      const halves = connections.filter((each) => each.hasUnfinished(STALLED_MS_MAX))
      for (const each of halves) this.closeForOthers(each)
      this.closeStuck(connections)
    }
  }

  /** Closes those whose requests wait for their own clients, the largest first, until there is room. */
  private closeStuck(connections: readonly Connection[]): void {
    const stuck = connections
      .map((connection) => ({ connection, bytes: connection.stuckBytes(STALLED_MS_MAX) }))
      .filter(({ bytes }) => bytes > 0)
      .sort((one, other) => other.bytes - one.bytes)
    for (const { connection } of stuck) {
      if (!this.requests.isOver) return
      this.closeForOthers(connection)
    }
  }

  private closeForOthers(connection: Connection): void {
    const { remoteAddress: peer, listener } = connection
    this.options.logger.warn(
      'a client does not end what it has begun while memory is short: it is closed',
      { peer, listener },
    )
    connection.close()
  }

  close(): void {
    for (const server of this.servers) server.close()
  }
}

/** What clients of each listener are told: as set, or where it listens. */
export function advertisedListeners(
  listeners: readonly ListenerSettings[],
  ports: readonly number[],
): readonly NodeListener[] {
  return listeners.map(({ name, listen, advertised, tls }, index) => {
    const port = ports[index] ?? listen.port
    return {
      name,
      host: advertised?.host ?? hostFor(listen.host),
      port: advertised?.port || port,
      security: tls === null ? 'plaintext' : 'tls',
    }
  })
}

export function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Nobody can connect to "any address"; whoever is on this machine can connect to it by this one. */
export function hostFor(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}
