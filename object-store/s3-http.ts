import http from 'node:http'
import https from 'node:https'
import { Readable } from 'node:stream'
import type { Clock, Timer } from '../base/clock.ts'
import type { Body } from './store.ts'

/**
 * How the S3 store talks HTTP. The SDK signs and parses; this handler sends and receives, because
 * the SDK's own takes a body only as one buffer and hands out responses as streams, each a copy of
 * all data.
 */

/** More would only share the machine's bandwidth; fewer would make PUTs wait for slow GETs. */
const SOCKETS_MAX = 256
const CONNECT_MS_MAX = 3_000
/** Time-out of a request: a fixed part, and a rate below which a connection counts as broken. */
const REQUEST_MS = 5_000
const BYTES_PER_MS_MIN = 2_048
/** Memory is allotted by what a response says of its length; no object of ours comes near this. */
const RESPONSE_BYTES_MAX = 2 ** 30

/**
 * One request and its response, beside what the SDK knows: given to the SDK's `send` as options,
 * which it hands to the handler as they are.
 */
export interface Exchange {
  /** Sent as the body instead of the SDK's. */
  readonly pieces: Body
  readonly bodyBytes: number
  /** Whether a 2xx response's body goes to `received`, past the SDK, which sees an empty one. */
  readonly receives: boolean
  /** Set once a response began. */
  status: number | null
  /** What ended the connection before the response did. */
  failure: unknown
  received: Buffer | null
}

/** An exchange that sends `pieces`, or that `receives` an object. */
export function newExchange(
  options: Partial<Pick<Exchange, 'pieces' | 'bodyBytes' | 'receives'>> = {},
): Exchange {
  const { pieces = [], bodyBytes = 0, receives = false } = options
  return { pieces, bodyBytes, receives, status: null, failure: null, received: null }
}

/** The SDK's HTTP request, as far as we need it. */
export interface SignedRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly method: string
  readonly path: string
  readonly query?: Record<string, string | string[] | null>
  readonly headers: Record<string, string>
  readonly body?: unknown
}

interface SignedResponse {
  statusCode: number
  reason: string
  headers: Record<string, string>
  body: Readable | Uint8Array
}

function escapeQuery(text: string): string {
  // As the signature escapes it (SigV4: all but A-Z a-z 0-9 - . _ ~).
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function pathWithQuery(request: SignedRequest): string {
  const parts: string[] = []
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value === null) parts.push(escapeQuery(name))
    else {
      for (const one of [value].flat()) parts.push(`${escapeQuery(name)}=${escapeQuery(one)}`)
    }
  }
  return parts.length === 0 ? request.path : `${request.path}?${parts.join('&')}`
}

function timeoutError(what: string): Error {
  return Object.assign(new Error(`${what} timed out`), { name: 'TimeoutError', code: 'ETIMEDOUT' })
}

/** Gathers a response into one buffer, allotted at once when the length is told. */
class Collector {
  #whole: Buffer | null
  #filled = 0
  readonly #chunks: Buffer[] = []

  constructor(lengthHeader: string | undefined) {
    this.#whole = lengthHeader === undefined ? null : Buffer.allocUnsafeSlow(Number(lengthHeader))
  }

  add(chunk: Buffer): void {
    if (this.#whole === null) this.#chunks.push(chunk)
    else this.#filled += chunk.copy(this.#whole, this.#filled)
  }

  bytes(): Buffer {
    return this.#whole?.subarray(0, this.#filled) ?? Buffer.concat(this.#chunks)
  }
}

/** Writes pieces without joining them: corked, they leave in one writev. */
function sendBody(outgoing: http.ClientRequest, pieces: Body): void {
  outgoing.cork()
  for (const piece of pieces) outgoing.write(piece)
  outgoing.end()
  outgoing.uncork()
}

/** The SDK's `requestHandler`. `destroy` closes idle connections. */
export class S3HttpHandler {
  readonly #clock: Clock
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX }),
  }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  handle(
    request: SignedRequest,
    options: Partial<Exchange> = {},
  ): Promise<{ response: SignedResponse }> {
    const protocol = request.protocol === 'http:' ? 'http:' : 'https:'
    const outgoing = (protocol === 'http:' ? http : https).request({
      agent: this.#agents[protocol],
      method: request.method,
      // URLs carry IPv6 addresses in brackets, sockets do not.
      host: request.hostname.replace(/^\[|\]$/g, ''),
      port: request.port,
      path: pathWithQuery(request),
      headers: request.headers,
    })
    const done = this.#exchange(outgoing, request, options)
    sendBody(outgoing, options.pieces?.length ? options.pieces : bodyOf(request))
    return done
  }

  #exchange(
    outgoing: http.ClientRequest,
    request: SignedRequest,
    exchange: Partial<Exchange>,
  ): Promise<{ response: SignedResponse }> {
    const timers = new Set<Timer>()
    const arm = (delayMs: number, what: string): Timer => {
      const timer = this.#clock.after(delayMs, () => outgoing.destroy(timeoutError(what)))
      timers.add(timer)
      return timer
    }
    const allowedMs = (bytes: number): number => REQUEST_MS + bytes / BYTES_PER_MS_MIN
    const wholeTimer = arm(allowedMs(exchange.bodyBytes ?? 0), 'the request')
    armConnect(outgoing, () => arm(CONNECT_MS_MAX, 'the connection'))
    const promise = new Promise<{ response: SignedResponse }>((resolve, reject) => {
      const fail = (error: Error): void => {
        // Kept here, because the SDK may wrap it in one that does not say what happened.
        exchange.failure ??= error
        reject(error)
      }
      outgoing.on('error', fail)
      outgoing.on('response', (incoming) => {
        const status = incoming.statusCode ?? 0
        exchange.status = status
        const lengthHeader = incoming.headers['content-length']
        const length = Number(lengthHeader ?? 0)
        if (length > RESPONSE_BYTES_MAX) return outgoing.destroy(new Error('too long a response'))
        wholeTimer.cancel()
        arm(allowedMs(length), 'the response')
        const collector = new Collector(lengthHeader)
        incoming.on('data', (chunk: Buffer) => collector.add(chunk))
        incoming.on('end', () => {
          // A refusal may come while the body is still being sent: nobody will read the rest.
          if (!outgoing.writableFinished) outgoing.destroy()
          const body = collector.bytes()
          resolve({ response: responseOf(incoming, status, body, exchange) })
        })
        incoming.on('error', (error) => {
          // The status decided; only words about it are lost.
          if (request.method !== 'PUT') return fail(error)
          resolve({ response: responseOf(incoming, status, Buffer.alloc(0), exchange) })
        })
      })
    })
    return promise.finally(() => {
      for (const timer of timers) timer.cancel()
    })
  }

  /** The SDK's interface wants it; there is nothing to configure from there. */
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): object {
    return {}
  }

  destroy(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }
}

function armConnect(outgoing: http.ClientRequest, arm: () => Timer): void {
  outgoing.on('socket', (socket) => {
    if (!socket.connecting) return
    const timer = arm()
    socket.once('secureConnect', () => timer.cancel())
    // With TLS the handshake counts too.
    if (!('encrypted' in socket)) socket.once('connect', () => timer.cancel())
  })
}

function bodyOf(request: SignedRequest): Body {
  const { body } = request
  if (body === undefined || body === null || body === '') return []
  return [typeof body === 'string' ? Buffer.from(body) : (body as Uint8Array)]
}

function responseOf(
  incoming: http.IncomingMessage,
  statusCode: number,
  body: Buffer,
  exchange: Partial<Exchange>,
): SignedResponse {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) headers[name] = String(value)
  const isOurs = exchange.receives === true && statusCode < 300
  if (isOurs) exchange.received = body
  const reason = incoming.statusMessage ?? ''
  return { statusCode, reason, headers, body: isOurs ? Readable.from([]) : body }
}
