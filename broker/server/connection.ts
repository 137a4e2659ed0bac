import { type AddressInfo, Socket } from 'node:net'
import type { BufferPool, SharedBytes } from '../../base/buffer-pool.ts'
import type { Logger } from '../../base/log.ts'
import { type AnyApi, apiOf, apis } from '../protocol/api-keys.ts'
import { codecOf, isValidVersion } from '../protocol/codec.ts'
import {
  decodeRequestHeader,
  decodeRequestId,
  requestHeaderVersion,
} from '../protocol/request-header.ts'
import { Request, type RequestChannel } from '../request.ts'
import { FrameReader } from './frame-reader.ts'

/** A peer that does not take its answers gets no more of them prepared than this. */
const UNSENT_BYTES_MAX = 1024 * 1024
/**
 * A client that sends on and on without an answer is not read for as long as so much of it is under
 * way. Far more than clients that heed their own limits ever send, and what one of them may pin.
 */
const UNANSWERED_MAX = { requests: 4_096, bytes: 64 * 1024 * 1024 }
/** Answers smaller than this are put into one piece: a copy costs less than another vector. */
const JOIN_BYTES_MAX = 4096

/** What the connection hands a request to. */
export interface Dispatcher {
  /** Whether this release serves the API (and so advertises it). */
  serves(api: AnyApi): boolean
  dispatch(request: Request): void
}

export interface ConnectionOptions {
  readonly listener: string
  readonly pool: BufferPool
  readonly frameBytesMax: number
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  readonly nowMs: () => number
  readonly onClosed: (connection: Connection) => void
}

/** Node's own handle of a socket: reading into our memory needs a new Socket around it. */
interface WithHandle {
  _handle: unknown
}

/**
 * One client. Requests are worked on side by side and answered strictly in their order, as Kafka's
 * clients expect.
 */
export class Connection implements RequestChannel {
  readonly listener: string
  readonly remoteAddress: string
  private readonly socket: Socket
  private readonly options: ConnectionOptions
  private readonly reader: FrameReader
  private queue: Request[] = []
  private queuedBytes = 0
  private flushing = false
  private holds = 0
  private closed = false
  private lastActiveMs: number

  constructor(accepted: Socket, options: ConnectionOptions) {
    this.options = options
    this.listener = options.listener
    this.remoteAddress = accepted.remoteAddress ?? 'unknown'
    this.lastActiveMs = options.nowMs()
    this.reader = new FrameReader({
      pool: options.pool,
      frameBytesMax: options.frameBytesMax,
      onFrame: (frame) => this.onFrame(frame),
      onTooLarge: (sizeBytes) =>
        this.refuse('a frame has a size that is not allowed', { sizeBytes }),
    })
    this.socket = this.rewrap(accepted)
    this.socket.on('error', (error) => this.options.logger.debug('a connection failed', { error }))
    this.socket.on('close', () => this.onClose())
    this.socket.on('drain', () => this.release('unsent'))
  }

  /** Node gives accepted sockets no way to read into our own memory, a new one around it does. */
  private rewrap(accepted: Socket): Socket {
    const handle = (accepted as unknown as WithHandle)._handle
    ;(accepted as unknown as WithHandle)._handle = null
    const socket = new Socket({
      handle,
      onread: {
        buffer: () => this.reader.nextBuffer(),
        callback: (count: number) => {
          this.lastActiveMs = this.options.nowMs()
          this.reader.received(count)
          return true
        },
      },
    } as unknown as ConstructorParameters<typeof Socket>[0])
    return socket
  }

  nowMs(): number {
    return this.options.nowMs()
  }

  get localAddress(): Partial<AddressInfo> {
    return this.socket.address() as Partial<AddressInfo>
  }

  private onFrame(frame: SharedBytes): void {
    const request = this.decodeOrRefuse(frame)
    if (request === null) return
    this.queue.push(request)
    this.queuedBytes += frame.buffer.length
    if (this.isQueueOver(1)) this.hold('unanswered')
    this.options.dispatcher.dispatch(request)
  }

  private isQueueOver(share: number): boolean {
    const { requests, bytes } = UNANSWERED_MAX
    return this.queue.length >= requests * share || this.queuedBytes >= bytes * share
  }

  private decodeOrRefuse(frame: SharedBytes): Request | null {
    try {
      return this.decode(frame)
    } catch (error) {
      frame.release()
      // By name: two copies of the module may be loaded in a test run.
      if ((error as Error).name !== 'DecodeError') throw error
      this.refuse('a request cannot be decoded', { error })
      return null
    }
  }

  private decode(frame: SharedBytes): Request | null {
    const { apiKey, apiVersion, correlationId } = decodeRequestId(frame.buffer)
    const api = apiOf(apiKey)
    if (api === undefined || !this.options.dispatcher.serves(api)) {
      frame.release()
      this.refuse('a request has an API key that is not served', { apiKey, apiVersion })
      return null
    }
    if (!isValidVersion(api.request, apiVersion)) {
      if (api.key === apis.apiVersions.key) return this.newerApiVersions(api, correlationId, frame)
      frame.release()
      this.refuse('a request has a version that is not served', { api: api.name, apiVersion })
      return null
    }
    const header = decodeRequestHeader(frame.buffer, requestHeaderVersion(api.request, apiVersion))
    const body = codecOf(api.request, apiVersion).decode(frame.buffer, header.bodyPosition)
    const { clientId } = header
    return new Request(this, { api, version: apiVersion, correlationId, clientId }, body, frame)
  }

  /** KIP-511: a client that is newer than we are gets our ranges in version 0, with error 35. */
  private newerApiVersions(api: AnyApi, correlationId: number, frame: SharedBytes): Request {
    return new Request(this, { api, version: 0, correlationId, clientId: null }, null, frame)
  }

  private refuse(why: string, fields: Record<string, unknown>): void {
    this.options.logger.info(`${why}: the connection is closed`, {
      ...fields,
      peer: this.remoteAddress,
      listener: this.listener,
    })
    this.close()
  }

  /** An answer is there: sends all that are due, in order. */
  answered(): void {
    if (this.flushing) return
    this.flushing = true
    // Once per turn of the event loop: answers that become ready together leave together.
    queueMicrotask(() => {
      this.flushing = false
      this.flush()
    })
  }

  private flush(): void {
    if (this.closed) {
      this.dropAnswers()
      return
    }
    let count = 0
    while (count < this.queue.length && this.queue[count]?.pieces !== null) count++
    if (count === 0) return
    const due = this.queue.splice(0, count)
    this.lastActiveMs = this.options.nowMs()
    for (const { frame } of due) this.queuedBytes -= frame.buffer.length
    if (!this.isQueueOver(0.5)) this.release('unanswered')
    this.socket.cork()
    for (const request of due) this.write(request)
    this.socket.uncork()
    if (this.socket.writableLength > UNSENT_BYTES_MAX) this.hold('unsent')
  }

  /** Nobody takes them any more, in whatever order they come. */
  private dropAnswers(): void {
    const waiting: Request[] = []
    for (const request of this.queue) {
      if (request.pieces === null) waiting.push(request)
      else request.sent()
    }
    this.queue = waiting
  }

  private write(request: Request): void {
    const pieces = request.pieces ?? []
    if (pieces.length === 0) {
      request.sent()
      return
    }
    const sent = (): void => request.sent()
    if (request.piecesBytes <= JOIN_BYTES_MAX && pieces.length > 1) {
      this.socket.write(Buffer.concat(pieces, request.piecesBytes), sent)
      return
    }
    const last = pieces.length - 1
    for (let i = 0; i < last; i++) this.socket.write(pieces[i] as Uint8Array)
    this.socket.write(pieces[last] as Uint8Array, sent)
  }

  /** Stops reading for one reason; each reason is released on its own. */
  private reasons = new Set<string>()

  hold(reason: string): void {
    if (this.reasons.has(reason)) return
    this.reasons.add(reason)
    this.holds++
    if (this.holds === 1) this.socket.pause()
  }

  release(reason: string): void {
    if (!this.reasons.delete(reason)) return
    this.holds--
    if (this.holds === 0 && !this.closed) this.socket.resume()
  }

  close(): void {
    this.socket.destroy()
    // Whatever else came in the same piece is not worked on: what a client sent after a request
    // that was refused must not be done without it. After destroy, when nothing reads into a frame.
    this.reader.close()
  }

  get isClosed(): boolean {
    return this.closed
  }

  /** Since when nothing is to be done for it (nowMs); null while there is, or while nobody reads. */
  get idleSinceMs(): number | null {
    const isBusy = this.queue.length > 0 || this.holds > 0 || this.socket.writableLength > 0
    return isBusy ? null : this.lastActiveMs
  }

  private onClose(): void {
    if (this.closed) return
    this.closed = true
    this.reader.close()
    this.dropAnswers()
    for (const request of this.queue) request.onConnectionClosed?.()
    this.options.onClosed(this)
  }
}
