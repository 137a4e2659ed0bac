import http from 'node:http'
import https from 'node:https'
import type { Clock } from '../../base/clock.ts'
import type { Credentials, KubeAccess, TlsMaterial } from './access.ts'
import {
  failureOfResponse,
  failureWithoutResponse,
  type KubeFailure,
  type Outcome,
} from './failure.ts'
import { LineSplitter } from './line-splitter.ts'

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Of the body: patches have their own. */
  readonly contentType?: string
  /** The whole exchange takes no longer. For streams: until the response's head is here. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

/** What a stream tells. `onEnd` comes exactly once, and nothing after it. */
export interface StreamHandlers {
  /** The server took the request, and lines follow. */
  readonly onOpen: () => void
  readonly onLine: (line: string) => void
  /** `null`: the server ended it in order. */
  readonly onEnd: (failure: KubeFailure | null) => void
}

export interface Stream {
  /** Ends it without an `onEnd`. */
  close(): void
}

/** Lists of thousands of pods are tens of megabytes; more is a server gone wrong. */
const RESPONSE_BYTES_MAX = 256 * 1024 * 1024
/** As client-go has it: below what load balancers and NAT take for dead. */
const KEEP_ALIVE_MS = 30_000
/** Watches keep a connection each; beyond them, requests of all workers at once. */
const SOCKETS_MAX = 128

function failed(failure: KubeFailure): { ok: false; failure: KubeFailure } {
  return { ok: false, failure }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function textWithCode(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return code !== undefined && !message?.includes(code) ? `${code}: ${message}` : String(message)
}

/**
 * HTTP to one API server: connections, credentials, deadlines. Errors of any sort are values; what
 * throws is a bug.
 */
export class KubeTransport {
  private readonly access: KubeAccess
  private readonly clock: Clock
  private readonly userAgent: string
  private agent: http.Agent | null = null
  private agentTls: TlsMaterial | null = null

  constructor(options: { access: KubeAccess; clock: Clock; userAgent: string }) {
    this.access = options.access
    this.clock = options.clock
    this.userAgent = options.userAgent
  }

  /** Sends and waits for all of the response; its value is the parsed JSON, any 2xx. */
  async request(request: KubeRequest): Promise<Outcome<unknown>> {
    const outcome = await this.exchange(request)
    if (outcome.ok || outcome.failure.status !== 401) return outcome
    // A token that was replaced: once more with the new one. Nothing was carried out.
    this.access.forget()
    return this.exchange(request)
  }

  /** Opens a response that comes line by line for as long as both sides like. */
  stream(request: KubeRequest, handlers: StreamHandlers): Stream {
    let outgoing: http.ClientRequest | null = null
    let isOver = false
    const end = (failure: KubeFailure | null): void => {
      if (isOver) return
      isOver = true
      timer.cancel()
      outgoing?.destroy()
      handlers.onEnd(failure)
    }
    const timer = this.clock.after(request.deadlineMs, () => {
      end(failureWithoutResponse('Timeout', 'no response in time', false))
    })
    void this.open(request, null).then((opened) => {
      if (isOver) {
        if (opened.ok) opened.value.destroy()
        return
      }
      if (!opened.ok) return end(opened.failure)
      outgoing = opened.value
      outgoing.on('error', (error) => {
        end(failureWithoutResponse('Unreachable', textWithCode(error), false))
      })
      outgoing.on('response', (incoming) => {
        timer.cancel()
        if (incoming.statusCode === 401) this.access.forget()
        readLines(incoming, { ...handlers, onEnd: end })
      })
      outgoing.end()
    })
    return {
      close() {
        isOver = true
        timer.cancel()
        outgoing?.destroy()
      },
    }
  }

  /** Gives up idle connections; requests under way end as they would. */
  close(): void {
    this.agent?.destroy()
  }

  /** A request that is ready to be written to; failures to get that far are values. */
  private async open(
    request: KubeRequest,
    body: string | null,
  ): Promise<Outcome<http.ClientRequest>> {
    let credentials: Credentials
    try {
      credentials = await this.access.credentials()
    } catch (error) {
      const words = `no credentials: ${textWithCode(error)}`
      return failed(failureWithoutResponse('Unreachable', words, false))
    }
    const url = new URL(this.access.server.replace(/\/$/, '') + request.path)
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const isTls = url.protocol === 'https:'
    try {
      const outgoing = (isTls ? https : http).request(url, {
        method: request.method,
        agent: this.agentFor(isTls, credentials.tls),
        headers: {
          accept: 'application/json',
          'user-agent': this.userAgent,
          ...(body !== null && {
            'content-type': request.contentType ?? 'application/json',
            // Said here, because Node frames no body of a DELETE by itself.
            'content-length': Buffer.byteLength(body),
          }),
          ...credentials.headers,
        },
      })
      // A request that is given up while it waits for a connection says so as well, to nobody.
      outgoing.on('error', () => {})
      return { ok: true, value: outgoing }
    } catch (error) {
      // Certificates that cannot be read, tokens with line breaks in them.
      return failed(failureWithoutResponse('Unreachable', textWithCode(error), false))
    }
  }

  private agentFor(isTls: boolean, tls: TlsMaterial): http.Agent {
    if (this.agent !== null && this.agentTls === tls) return this.agent
    // What goes on over connections of the old certificate may end; the server closes idle ones.
    for (const sockets of Object.values(this.agent?.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy()
    }
    const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: SOCKETS_MAX }
    this.agent = isTls ? new https.Agent({ ...options, ...tls }) : new http.Agent(options)
    this.agentTls = tls
    return this.agent
  }

  private async exchange(request: KubeRequest): Promise<Outcome<unknown>> {
    const { signal } = request
    if (signal?.aborted) return failed(failureWithoutResponse('Aborted', 'given up', false))
    const body = request.body === undefined ? null : JSON.stringify(request.body)
    const isWrite = request.method !== 'GET'
    let outgoing: http.ClientRequest | null = null
    let isSent = false
    let isOver = false
    return new Promise<Outcome<unknown>>((resolve) => {
      const settle = (outcome: Outcome<unknown>): void => {
        isOver = true
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        resolve(outcome)
      }
      const giveUp = (reason: 'Timeout' | 'Aborted' | 'Unreachable', words: string): void => {
        settle(failed(failureWithoutResponse(reason, words, isWrite && isSent)))
        outgoing?.destroy()
      }
      const timer = this.clock.after(request.deadlineMs, () => {
        giveUp('Timeout', `no answer within ${request.deadlineMs} ms`)
      })
      const onAbort = (): void => giveUp('Aborted', 'given up')
      signal?.addEventListener('abort', onAbort, { once: true })
      void this.open(request, body).then((opened) => {
        if (isOver && opened.ok) opened.value.destroy()
        if (isOver) return
        if (!opened.ok) return settle(opened)
        outgoing = opened.value
        outgoing.on('error', (error) => giveUp('Unreachable', textWithCode(error)))
        outgoing.on('response', (incoming) => gather(incoming, isWrite, settle))
        whenConnected(outgoing, () => {
          isSent = true
        })
        outgoing.end(body ?? undefined)
      })
    })
  }
}

/** Before there is a connection, nothing can have been carried out. */
function whenConnected(outgoing: http.ClientRequest, onConnected: () => void): void {
  outgoing.on('socket', (socket) => {
    if (!socket.connecting) return onConnected()
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', onConnected)
  })
}

/** Collects a response; a 2xx whose body is no JSON object is a failure. */
function gather(
  incoming: http.IncomingMessage,
  isWrite: boolean,
  settle: (outcome: Outcome<unknown>) => void,
): void {
  const chunks: Buffer[] = []
  let byteCount = 0
  incoming.on('data', (chunk: Buffer) => {
    byteCount += chunk.length
    if (byteCount > RESPONSE_BYTES_MAX) incoming.destroy(new Error('too long a response'))
    else chunks.push(chunk)
  })
  incoming.on('error', (error) => {
    settle(failed(failureWithoutResponse('Unreachable', textWithCode(error), isWrite)))
  })
  incoming.on('end', () => {
    const body = parseJson(Buffer.concat(chunks).toString('utf8'))
    const status = incoming.statusCode ?? 0
    if (status < 200 || status > 299) {
      const retryAfter = incoming.headers['retry-after']
      return settle(failed(failureOfResponse(status, body, retryAfter)))
    }
    if (typeof body !== 'object' || body === null) {
      const words = 'the response is no JSON object'
      return settle(failed(failureWithoutResponse('Unreadable', words, isWrite)))
    }
    settle({ ok: true, value: body })
  })
}

function readLines(incoming: http.IncomingMessage, handlers: StreamHandlers): void {
  const status = incoming.statusCode ?? 0
  if (status !== 200) {
    gather(incoming, false, (outcome) => {
      if (!outcome.ok) return handlers.onEnd(outcome.failure)
      handlers.onEnd(failureOfResponse(status, outcome.value, undefined))
    })
    return
  }
  const lines = new LineSplitter(handlers.onLine)
  incoming.on('data', (chunk: Buffer) => lines.add(chunk))
  incoming.on('end', () => handlers.onEnd(null))
  incoming.on('error', (error) => {
    handlers.onEnd(failureWithoutResponse('Unreachable', textWithCode(error), false))
  })
  handlers.onOpen()
}
