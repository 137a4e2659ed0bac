import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Metrics } from '../base/metrics.ts'
import type { Listen } from './settings.ts'

export interface AdminTarget {
  readonly metrics: Metrics
  isLive(): boolean
  isReady(): boolean
}

/** Health and metrics of the operator, over plain HTTP: they tell nothing of anybody's data. */
export class OperatorAdminServer {
  private readonly server: Server

  constructor(target: AdminTarget) {
    this.server = createServer((message, response) => {
      const path = (message.url ?? '').split('?')[0]
      if (message.method !== 'GET') return void send(response, 405, 'only GET is served\n')
      if (path === '/livez') return void health(response, target.isLive())
      if (path === '/readyz') return void health(response, target.isReady())
      if (path !== '/metrics') {
        return void send(response, 404, 'there are /livez /readyz /metrics\n')
      }
      target.metrics.exposition().then(
        (text) => send(response, 200, text, target.metrics.contentType),
        () => send(response, 500, 'metrics could not be collected\n'),
      )
    })
  }

  /** Resolves with the port. Rejects with the system's error. */
  listen({ host, port }: Listen): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen({ host, port }, () => {
        const address = this.server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }
}

function health(response: ServerResponse, isGood: boolean): void {
  send(response, isGood ? 200 : 503, isGood ? 'ok\n' : 'not yet\n')
}

function send(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type }).end(text)
}
