import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { Connection, type ConnectionOptions } from './connection.ts'
import { addressOf, type ConnectionQuotas } from './connection-quotas.ts'

export interface ServerOptions extends Omit<ConnectionOptions, 'onClosed'> {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Shared by the servers of all listeners. */
  readonly quotas: ConnectionQuotas
}

/** Listens for Kafka clients on one listener. */
export class Server {
  readonly connections = new Set<Connection>()
  private readonly options: ServerOptions
  private readonly connectionOptions: ConnectionOptions
  private readonly server: NetServer
  private held = false

  constructor(options: ServerOptions) {
    this.options = options
    this.connectionOptions = { ...options, onClosed: (closed) => this.onClosed(closed) }
    this.server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      this.accept(socket)
    })
  }

  /** Resolves with the port once it listens. Rejects with the system's error. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(
        { host: this.options.host, port: this.options.port, backlog: 1024 },
        () => {
          // From now on it is no connection that cannot be accepted, mostly for want of descriptors.
          this.server.off('error', reject)
          this.server.on('error', (error) => {
            this.options.logger.warn('a connection was not accepted', { error })
          })
          const address = this.server.address()
          resolve(typeof address === 'object' && address !== null ? address.port : 0)
        },
      )
    })
  }

  private accept(socket: Socket): void {
    const { logger, listener, quotas, requestBytes } = this.options
    // It may be gone by now, and then has no address: it is not to be counted.
    if (socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const peer = addressOf(socket.remoteAddress)
    const admission = quotas.admit(peer, listener)
    if (!admission.admitted) {
      const { reason, limit } = admission
      logger.warn(`${reason}: one is refused`, { limit, peer, listener })
      socket.destroy()
      return
    }
    const connection = new Connection(socket, this.connectionOptions)
    this.connections.add(connection)
    if (this.held) connection.hold('memory')
    if (requestBytes.isOver) connection.hold('requests')
    if (admission.delayMs > 0) connection.holdFor(admission.delayMs)
  }

  private onClosed(connection: Connection): void {
    this.connections.delete(connection)
    const { quotas, listener } = this.options
    quotas.ended(connection.remoteAddress, listener)
  }

  /** Stops reading from all clients, or goes on: memory is bounded (design §4). */
  holdAll(hold: boolean): void {
    if (hold === this.held) return
    this.held = hold
    for (const connection of this.connections) {
      if (hold) connection.hold('memory')
      else connection.release('memory')
    }
  }

  /** No new requests are read, or they are again: queued.max.request.bytes. */
  holdRequests(hold: boolean): void {
    for (const connection of this.connections) {
      if (hold) connection.holdBetweenFrames()
      else connection.release('requests')
    }
  }

  /** There is room again for what clients do not take at once. */
  pumpAll(): void {
    for (const connection of this.connections) connection.pump()
  }

  /**
   * Closes connections on which nothing has happened for so long: peers that vanished without a word
   * would stay for ever, and clients that only rest expect it. A negative time closes none.
   */
  closeIdle(idleMsMax: number): void {
    if (idleMsMax < 0) return
    const nowMs = this.options.clock.nowMs()
    for (const connection of this.connections) {
      const idleSinceMs = connection.idleSinceMs()
      if (idleSinceMs !== null && nowMs - idleSinceMs >= idleMsMax) connection.close()
    }
  }

  /** Closes connections that have taken nothing of what waits for them for so long. */
  closeStalled(stalledMsMax: number): void {
    const { clock, logger, listener } = this.options
    const nowMs = clock.nowMs()
    for (const connection of this.connections) {
      if (!connection.hasUnsent) continue
      const idleSinceMs = connection.idleSinceMs()
      if (idleSinceMs === null || nowMs - idleSinceMs < stalledMsMax) continue
      const peer = connection.remoteAddress
      logger.warn('a client takes no answers while memory is short: it is closed', {
        peer,
        listener,
      })
      connection.close()
    }
  }

  /** Takes no more clients and closes those there are. */
  close(): void {
    this.options.tls?.stop()
    this.server.close()
    for (const connection of this.connections) connection.close()
  }
}
