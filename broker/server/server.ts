import { createServer, type Server as NetServer, type Socket } from 'node:net'
import type { BufferPool } from '../../base/buffer-pool.ts'
import type { Logger } from '../../base/log.ts'
import { Connection, type Dispatcher } from './connection.ts'

export interface ServerOptions {
  readonly listener: string
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly pool: BufferPool
  readonly frameBytesMax: number
  readonly connectionsMax: number
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  readonly nowMs: () => number
}

/** Listens for Kafka clients on one listener. */
export class Server {
  readonly connections = new Set<Connection>()
  private readonly options: ServerOptions
  private readonly server: NetServer
  private held = false

  constructor(options: ServerOptions) {
    this.options = options
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
    const { logger, connectionsMax } = this.options
    if (this.connections.size >= connectionsMax) {
      logger.warn('too many connections: one is refused', { connectionsMax })
      socket.destroy()
      return
    }
    const connection = new Connection(socket, {
      ...this.options,
      onClosed: (closed) => this.connections.delete(closed),
    })
    this.connections.add(connection)
    if (this.held) connection.hold('memory')
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

  /**
   * Closes connections on which nothing has happened for so long: peers that vanished without a word
   * would stay for ever, and clients that only rest expect it.
   */
  closeIdle(idleMsMax: number): void {
    const nowMs = this.options.nowMs()
    for (const connection of this.connections) {
      const { idleSinceMs } = connection
      if (idleSinceMs !== null && nowMs - idleSinceMs >= idleMsMax) connection.close()
    }
  }

  /** Takes no more clients and closes those there are. */
  close(): void {
    this.server.close()
    for (const connection of this.connections) connection.close()
  }
}
