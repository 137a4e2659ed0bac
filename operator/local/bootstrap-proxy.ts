import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import type { Endpoint } from '../brokers/broker-load.ts'

export interface BootstrapProxyOptions {
  readonly clock: Clock
  /** Where new connections may go, asked anew for each. */
  readonly targets: () => readonly Endpoint[]
}

export type ListenResult =
  | { readonly ok: true; readonly port: number }
  | { readonly ok: false; readonly reason: 'in-use' | 'denied' | 'other'; readonly message: string }

/** Clients that bootstrap give up later than this, so a broker that starts may still serve them. */
const WAIT_MS_MAX = 5000
/** A broker on this machine accepts at once, or not at all. */
const CONNECT_MS_MAX = 2000
/** Real clients need one bootstrap connection each. Each costs two sockets. */
const CONNECTIONS_MAX = 5000

/**
 * The port that clients bootstrap from. Each broker has a port of its own and tells clients about
 * it; this one outlives them all. A connection goes to one broker that serves, in turn, and ends
 * with it: clients connect again and reach another one.
 */
export class BootstrapProxy {
  private readonly options: BootstrapProxyOptions
  private readonly server: Server
  private readonly clients = new Set<Socket>()
  /** Woken when targets have changed. */
  private readonly waiters = new Set<() => void>()
  private turn = 0

  constructor(options: BootstrapProxyOptions) {
    this.options = options
    // Half-open on both sides: a client may end its requests and still read the answers.
    const sockets = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true }
    this.server = createServer(sockets, (client) => this.accept(client))
    this.server.maxConnections = CONNECTIONS_MAX
  }

  /** Connections that are open, for people. */
  get connectionCount(): number {
    return this.clients.size
  }

  listen(endpoint: Endpoint): Promise<ListenResult> {
    return new Promise((resolve) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => {
        const reason =
          error.code === 'EADDRINUSE' ? 'in-use' : error.code === 'EACCES' ? 'denied' : 'other'
        resolve({ ok: false, reason, message: error.message })
      })
      this.server.listen(endpoint.port, endpoint.host, () => {
        // Without a listener, an error of accept (no file descriptors left) would end the process.
        this.server.removeAllListeners('error').on('error', () => {})
        const address = this.server.address()
        resolve({ ok: true, port: typeof address === 'object' && address ? address.port : 0 })
      })
    })
  }

  /** To be called when targets have changed: clients that wait try again. */
  targetsChanged(): void {
    for (const wake of [...this.waiters]) wake()
  }

  /** Takes no connection any more and ends those there are. */
  close(): Promise<void> {
    for (const client of this.clients) client.destroy()
    return new Promise((resolve) => {
      this.server.close(() => resolve())
    })
  }

  private accept(client: Socket): void {
    this.clients.add(client)
    client.on('close', () => this.clients.delete(client))
    // Errors end in `close`; a client that resets its connection is no event.
    client.on('error', () => {})
    void this.route(client)
  }

  /** Connects `client` to the first target that accepts, and waits, bounded, while there is none. */
  private async route(client: Socket): Promise<void> {
    const deadline = this.options.clock.after(WAIT_MS_MAX, () => client.destroy())
    while (!client.destroyed) {
      const changed = this.changed(client)
      const upstream = await this.connectToAny()
      if (upstream !== null) {
        join(client, upstream)
        break
      }
      await changed
    }
    deadline.cancel()
  }

  private async connectToAny(): Promise<Socket | null> {
    const targets = this.options.targets()
    const first = this.turn++
    for (let i = 0; i < targets.length; i++) {
      const target = targets[(first + i) % targets.length]
      const upstream = target === undefined ? null : await this.dial(target)
      if (upstream !== null) return upstream
    }
    return null
  }

  private dial(target: Endpoint): Promise<Socket | null> {
    return new Promise((resolve) => {
      const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true })
      const timer = this.options.clock.after(CONNECT_MS_MAX, () => upstream.destroy())
      const finish = (result: Socket | null): void => {
        timer.cancel()
        resolve(result)
      }
      upstream.on('error', () => {})
      upstream.once('connect', () => finish(upstream))
      upstream.once('close', () => finish(null))
    })
  }

  /** Resolves at the next change of targets, or when `client` is gone. */
  private changed(client: Socket): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.waiters.delete(wake)
        client.off('close', wake)
        resolve()
      }
      this.waiters.add(wake)
      client.once('close', wake)
    })
  }
}

/** Carries bytes both ways until both sides are done, or one of them is gone. */
function join(client: Socket, upstream: Socket): void {
  // Pipes pass on backpressure and a half-close, but not a death.
  client.pipe(upstream)
  upstream.pipe(client)
  client.once('close', () => endAfter(client, upstream))
  upstream.once('close', () => endAfter(upstream, client))
  // Closed while nobody listened yet.
  if (client.destroyed) upstream.destroy()
  if (upstream.destroyed) client.destroy()
}

/** Ends `other` after `closed`: at once, or, if all was said, after what was said has been sent. */
function endAfter(closed: Socket, other: Socket): void {
  if (!closed.readableEnded || other.writableFinished) other.destroy()
  else other.once('finish', () => other.destroy())
}
