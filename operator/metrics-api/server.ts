import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Listen } from '../settings.ts'
import { answerTo } from './answer.ts'
import { Authentication, readFrontProxy } from './authentication.ts'
import { Authorization } from './authorization.ts'
import { statusDocument } from './documents.ts'
import type { MeasuredPods } from './measurements.ts'

/** Certificates and authorities that were replaced are taken within this time. */
const REREAD_MS = 10_000

export interface MetricsApiOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly log: Logger
  readonly listen: Listen
  /** With tls.crt and tls.key. */
  readonly tlsFolder: string
  readonly measured: MeasuredPods
}

/**
 * The aggregated API custom.metrics.k8s.io, over HTTPS. The HPA asks the API server, which asks here
 * in the HPA's name; who may read what, the API server is asked in turn.
 */
export class MetricsApi {
  private readonly options: MetricsApiOptions
  private readonly server: Server
  private readonly authentication: Authentication
  private readonly authorization: Authorization
  private timer: Timer | null = null
  private isClosed = false
  private material = ''

  private constructor(options: MetricsApiOptions) {
    this.options = options
    this.authentication = new Authentication(options)
    this.authorization = new Authorization(options)
    this.server = createServer({ requestCert: true, rejectUnauthorized: false })
    this.server.on('request', (message, response) => {
      this.handle(message, response).catch((error: unknown) => {
        options.log.warn('a request for metrics failed', { error })
        if (!response.headersSent) response.writeHead(500)
        response.end()
      })
    })
  }

  /** Rejects when the certificate cannot be read, or the port is not free. */
  static async start(options: MetricsApiOptions): Promise<MetricsApi> {
    const api = new MetricsApi(options)
    await api.reread()
    await new Promise<void>((resolve, reject) => {
      api.server.once('error', reject)
      api.server.listen(options.listen, resolve)
    })
    api.rereadLater()
    return api
  }

  get port(): number {
    const address = this.server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  close(): void {
    this.isClosed = true
    this.timer?.cancel()
    this.server.close()
    this.server.closeAllConnections()
  }

  private rereadLater(): void {
    if (this.isClosed) return
    this.timer = this.options.clock.after(REREAD_MS, () => {
      this.reread()
        .catch((error: unknown) => {
          this.options.log.warn('the certificate of the metrics API cannot be read', { error })
        })
        .finally(() => this.rereadLater())
    })
  }

  private async reread(): Promise<void> {
    const { client, tlsFolder, log } = this.options
    const [cert, key, proxy] = await Promise.all([
      readFile(`${tlsFolder}/tls.crt`, 'utf8'),
      readFile(`${tlsFolder}/tls.key`, 'utf8'),
      readFrontProxy(client),
    ])
    if (proxy === null) log.warn('the API server does not say how it is known')
    else this.authentication.frontProxy = proxy
    const { authority } = this.authentication.frontProxy
    const material = [cert, key, authority].join('\n')
    if (material === this.material) return
    this.material = material
    // Without an authority the system's would count, and anybody's certificate of those.
    this.server.setSecureContext({ cert, key, ca: authority === '' ? [] : [authority] })
  }

  private async handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    if (message.method !== 'GET') return refuse(response, 405, 'MethodNotAllowed', 'only GET')
    const { pathname, searchParams } = new URL(message.url ?? '/', 'https://localhost')
    if (['/livez', '/readyz', '/healthz'].includes(pathname)) {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n')
      return
    }
    const { status, body, attributes } = answerTo(this.options.measured, pathname, searchParams)
    if (attributes !== null) {
      const user = await this.authentication.userOf(message)
      if (user === null) return refuse(response, 401, 'Unauthorized', 'the token is not known')
      if (!(await this.authorization.mayGet(user, attributes))) {
        const { resource, subresource, namespace } = attributes
        const what = `${resource}/${subresource} in ${namespace}`
        return refuse(response, 403, 'Forbidden', `${user.name} may not get ${what}`)
      }
    }
    send(response, status, body)
  }
}

function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  send(response, code, statusDocument(code, reason, message))
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
