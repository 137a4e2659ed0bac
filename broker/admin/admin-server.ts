import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Logger } from '../../base/log.ts'
import type { Metrics } from '../../base/metrics.ts'
import { CALL_BYTES_MAX, collect, INTERNAL_PATH, isAuthentic, macHeader } from './internal-calls.ts'

/** What the admin port shows and forwards; null members: not there yet. */
export interface AdminTarget {
  readonly metrics: Metrics
  isLive(): boolean
  isReady(): boolean
  /** The node's load for autoscalers, as plain JSON. */
  load(): unknown
  /** Null until the node is registered. */
  identity(): { readonly nodeId: number; readonly secret: string } | null
  call(method: string, body: Buffer): Buffer | Promise<Buffer>
}

/**
 * The HTTP port for everything that is not Kafka: health and metrics for people and machines,
 * without authentication since they change nothing; calls of other nodes, authenticated.
 */
export class AdminServer {
  private readonly server: Server
  private readonly target: AdminTarget
  private readonly logger: Logger

  constructor(target: AdminTarget, logger: Logger) {
    this.target = target
    this.logger = logger
    this.server = createServer({ keepAliveTimeout: 60_000 }, (message, response) => {
      this.handle(message, response).catch((error: unknown) => {
        this.logger.warn('an admin request failed', { path: message.url, error })
        if (!response.headersSent) response.writeHead(500)
        response.end()
      })
    })
  }

  /** Resolves with the port. Rejects with the system's error. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen({ host, port }, () => {
        // From now on it is no connection that cannot be accepted, mostly for want of descriptors.
        this.server.off('error', reject)
        this.server.on('error', (error) => {
          this.logger.warn('a connection to the admin port was not accepted', { error })
        })
        const address = this.server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  }

  private async handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (message.url ?? '').split('?')[0] ?? ''
    if (path.startsWith(INTERNAL_PATH)) {
      await this.handleCall(message, response, path.slice(INTERNAL_PATH.length))
      return
    }
    if (message.method !== 'GET') return send(response, 405, 'text/plain', 'only GET is served\n')
    const { target } = this
    switch (path) {
      case '/livez':
        return health(response, target.isLive())
      case '/readyz':
        return health(response, target.isReady())
      case '/load':
        return send(response, 200, 'application/json', `${JSON.stringify(target.load())}\n`)
      case '/metrics':
        return send(response, 200, target.metrics.contentType, await target.metrics.exposition())
      default:
        return send(response, 404, 'text/plain', 'there are /livez /readyz /load /metrics\n')
    }
  }

  private async handleCall(
    message: IncomingMessage,
    response: ServerResponse,
    method: string,
  ): Promise<void> {
    const body = await collect(message, CALL_BYTES_MAX)
    const identity = this.target.identity()
    if (identity === null) return send(response, 503, 'text/plain', 'not registered yet\n')
    const { nodeId, secret } = identity
    if (!isAuthentic(secret, { method, nodeId, body, mac: macHeader(message) })) {
      // Mostly a call for the node that had this address before.
      return send(response, 421, 'text/plain', 'the call is for another node or not authentic\n')
    }
    const reply = await this.target.call(method, body)
    response.writeHead(200, { 'content-length': reply.length })
    response.end(reply)
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }
}

function health(response: ServerResponse, isGood: boolean): void {
  send(response, isGood ? 200 : 503, 'text/plain', isGood ? 'ok\n' : 'not yet\n')
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type })
  response.end(text)
}
