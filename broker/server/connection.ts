import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { BufferPool, SharedBytes } from '../../base/buffer-pool.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import { type AnyApi, apiOf, apis } from '../protocol/api-keys.ts'
import { codecOf, isValidVersion } from '../protocol/codec.ts'
import {
  decodeRequestHeader,
  decodeRequestId,
  requestHeaderVersion,
} from '../protocol/request-header.ts'
import { Request, type RequestChannel } from '../request.ts'
import type { ByteBound } from './byte-bound.ts'
import { plainSocket, tlsSocket, unsentBytes, whyNotTrusted } from './client-socket.ts'
import { addressOf } from './connection-quotas.ts'
import { FrameReader } from './frame-reader.ts'
import { ANONYMOUS, principalOf } from './principal.ts'
import type { RequestBudget } from './request-budget.ts'
import { RequestGate } from './request-gate.ts'
import type { TlsCredentials } from './tls-credentials.ts'

/** A peer that does not take its answers gets no more of them prepared than this. */
const UNSENT_BYTES_MAX = 1024 * 1024
/**
 * A client that sends on and on without an answer is not read for as long as so much of it is under
 * way. Far more than clients that heed their own limits ever send, and what one of them may pin.
 */
const UNANSWERED_MAX = { requests: 4_096, bytes: 64 * 1024 * 1024 }
/** A request of at most this size, other than a produce, does not count while it is worked on. */
const SMALL_BYTES_MAX = 16 * 1024
/** A client that has connected and then says nothing holds a place for no longer. */
const HANDSHAKE_MS_MAX = 10_000
/** The size that a TLS client's first bytes seem to be: a handshake record of TLS 1.x. */
const TLS_HELLO = 0x1603
/** Answers smaller than this are put into one piece: a copy costs less than another vector. */
const JOIN_BYTES_MAX = 4096

/** What the connection hands a request to. */
export interface Dispatcher {
  /** Whether this release serves the API (and so advertises it). */
  serves(api: AnyApi): boolean
  dispatch(request: Request): void
}

/** What the connections of one listener share. */
export interface ConnectionOptions {
  readonly listener: string
  readonly pool: BufferPool
  readonly frameBytesMax: number
  readonly dispatcher: Dispatcher
  readonly logger: Logger
  readonly clock: Clock
  /** Null: plain text. */
  readonly tls: TlsCredentials | null
  /** Bytes of requests, over all connections (queued.max.request.bytes). */
  readonly requestBytes: RequestBudget
  /** Bytes of answers that are not sent, over all connections. */
  readonly unsentBytes: ByteBound
  readonly onClosed: (connection: Connection) => void
}

/** Why a connection is not read; each reason ends on its own. A bit each: there are many idle ones. */
const REASONS = {
  /** So many of its requests are under way. */
  unanswered: 1,
  /** It does not take its answers. */
  unsent: 2,
  /** The broker has too much that is not durable yet. */
  memory: 4,
  /** The broker has too many bytes of requests. */
  requests: 8,
  /** Too many connections came at once. */
  rate: 16,
  /** There is no memory for the rest of its frame. */
  growth: 32,
} as const
export type HoldReason = keyof typeof REASONS
/** Whoever is not read for one of these cannot be blamed for what it does not finish. */
const NOT_ITS_FAULT = REASONS.unanswered | REASONS.memory | REASONS.rate

/**
 * One client. Requests are worked on side by side, within bounds, and answered strictly in their
 * order, as Kafka's clients expect.
 */
export class Connection implements RequestChannel {
  readonly listener: string
  readonly remoteAddress: string
  /** Who the client is, in Kafka's words; known before its first request is worked on. */
  principal = ANONYMOUS
  private readonly socket: Socket
  private readonly options: ConnectionOptions
  private readonly reader: FrameReader
  private readonly gate: RequestGate
  private queue: Request[] = []
  private queuedBytes = 0
  private flushing = false
  private reasons = 0
  private closed = false
  private secured: boolean
  private handshake: Timer | null = null
  private turn: Timer | null = null
  private lastActiveMs: number
  /** Since when its client could have gone on with the frame that it has begun. */
  private frameSinceMs = 0
  private readSinceMs = 0
  private unsentSeen = 0

  constructor(accepted: Socket, options: ConnectionOptions) {
    this.options = options
    this.listener = options.listener
    this.remoteAddress = addressOf(accepted.remoteAddress)
    this.lastActiveMs = options.clock.nowMs()
    this.secured = options.tls === null
    this.reader = new FrameReader({
      pool: options.pool,
      frameBytesMax: options.frameBytesMax,
      onBegin: (bytes) => {
        this.frameSinceMs = this.lastActiveMs
        options.requestBytes.take(bytes)
      },
      onGrown: (bytes) => options.requestBytes.grow(bytes),
      onEnd: (grownBytes) => options.requestBytes.frameEnded(this, grownBytes),
      onDropped: (bytes) => options.requestBytes.give(bytes),
      isShort: (isGrown) => {
        const { requestBytes } = options
        return isGrown ? requestBytes.isShortFor(this) : requestBytes.isOver
      },
      onFrame: (frame) => this.onFrame(frame),
      onTooLarge: (sizeBytes) => this.refuseSize(sizeBytes),
    })
    this.gate = new RequestGate({
      begin: (request) => this.begin(request),
      isOpen: () => this.socket.writableLength <= UNSENT_BYTES_MAX,
      isOpenToFetches: () => !options.unsentBytes.isOver,
    })
    this.socket = options.tls === null ? plainSocket(accepted, this) : this.secure(accepted)
    this.socket.on('error', (error) => this.onError(error))
    this.socket.on('close', () => this.onClose())
    this.socket.on('drain', () => {
      this.release('unsent')
      this.gate.pump()
    })
  }

  private secure(accepted: Socket): TLSSocket {
    const { tls, clock } = this.options
    const asked = tls?.settings.clientAuthentication ?? 'none'
    const socket = tlsSocket(accepted, this, {
      context: (tls as TlsCredentials).context,
      requestCert: asked !== 'none',
      rejectUnauthorized: asked === 'required',
    })
    socket.once('secure', () => this.onSecure(socket))
    // It begins to read in the next tick, whatever was said until then.
    process.nextTick(() => {
      if (this.reasons !== 0 && !this.closed) socket.pause()
    })
    const late = (): void => {
      // While it is not read it cannot go on.
      if (this.reasons !== 0) this.handshake = clock.after(HANDSHAKE_MS_MAX, late)
      else this.refuse('a TLS handshake took too long', { limitMs: HANDSHAKE_MS_MAX })
    }
    this.handshake = clock.after(HANDSHAKE_MS_MAX, late)
    return socket
  }

  private onSecure(socket: TLSSocket): void {
    this.handshake?.cancel()
    this.handshake = null
    const why = whyNotTrusted(socket)
    const certificate = socket.getPeerX509Certificate()
    const isMissing =
      certificate === undefined && this.options.tls?.settings.clientAuthentication === 'required'
    if (why !== null || isMissing) {
      this.refuse('a client has no certificate that is trusted', { why: why ?? 'it showed none' })
      return
    }
    this.principal = principalOf(certificate)
    this.secured = true
    this.lastActiveMs = this.options.clock.nowMs()
  }

  private onError(error: Error): void {
    if (this.secured) this.options.logger.debug('a connection failed', { error })
    else this.refuse('a TLS handshake failed', { error })
  }

  nextBuffer(): Buffer {
    return this.reader.nextBuffer()
  }

  received(count: number): void {
    this.lastActiveMs = this.options.clock.nowMs()
    this.reader.received(count)
    if (this.reader.isOutOfMemory && !this.options.requestBytes.mayGrow(this)) this.hold('growth')
  }

  /** There is memory for the rest of its frame, whatever others wait for. */
  goOn(): void {
    this.release('growth')
  }

  nowMs(): number {
    return this.options.clock.nowMs()
  }

  private onFrame(frame: SharedBytes): void {
    const { requestBytes } = this.options
    const bytes = frame.buffer.length
    const request = this.decodeOrRefuse(frame)
    if (request === null) {
      requestBytes.give(bytes)
      return
    }
    this.queue.push(request)
    this.queuedBytes += bytes
    if (this.isQueueOver(1)) this.hold('unanswered')
    if (requestBytes.isOver) this.hold('requests')
    this.gate.enter(request)
  }

  private begin(request: Request): void {
    request.hasBegun = true
    // As in Kafka only what is kept counts: waiting fetches must not keep producers out.
    if (!countsUntilAnswered(request)) this.options.requestBytes.give(request.frame.buffer.length)
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

  private refuseSize(sizeBytes: number): void {
    const isTls = sizeBytes >>> 16 === TLS_HELLO && this.options.tls === null
    if (isTls) this.refuse('a client speaks TLS where there is none', {})
    else this.refuse('a frame has a size that is not allowed', { sizeBytes })
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
    this.lastActiveMs = this.options.clock.nowMs()
    for (const request of due) this.leave(request)
    if (!this.isQueueOver(0.5)) this.release('unanswered')
    this.socket.cork()
    for (const request of due) this.write(request)
    this.socket.uncork()
    if (this.socket.writableLength > UNSENT_BYTES_MAX) this.hold('unsent')
    this.gate.pump()
  }

  /** The request is out of the queue: its memory is no longer ours. */
  private leave(request: Request): void {
    const bytes = request.frame.buffer.length
    this.queuedBytes -= bytes
    if (countsUntilAnswered(request)) this.options.requestBytes.give(bytes)
    this.gate.answered(request)
  }

  /** Nobody takes them any more, in whatever order they come. */
  private dropAnswers(): void {
    const waiting: Request[] = []
    for (const request of this.queue) {
      if (request.pieces === null) waiting.push(request)
      else {
        this.leave(request)
        request.sent()
      }
    }
    this.queue = waiting
  }

  private write(request: Request): void {
    const pieces = request.pieces ?? []
    if (pieces.length === 0) {
      this.onSent(request)
      return
    }
    this.options.unsentBytes.take(request.piecesBytes)
    const sent = (): void => {
      this.options.unsentBytes.give(request.piecesBytes)
      this.onSent(request)
    }
    if (request.piecesBytes <= JOIN_BYTES_MAX && pieces.length > 1) {
      this.socket.write(Buffer.concat(pieces, request.piecesBytes), sent)
      return
    }
    const last = pieces.length - 1
    for (let i = 0; i < last; i++) this.socket.write(pieces[i] as Uint8Array)
    this.socket.write(pieces[last] as Uint8Array, sent)
  }

  private onSent(request: Request): void {
    request.sent()
    this.gate.sent(request)
  }

  /** There is room again for answers of all connections: fetches that waited for it may begin. */
  pump(): void {
    this.gate.pump()
  }

  /** Stops reading for one reason; each reason is released on its own. */
  hold(reason: HoldReason): void {
    const before = this.reasons
    this.reasons |= REASONS[reason]
    if (before === 0) this.socket.pause()
  }

  release(reason: HoldReason): void {
    const before = this.reasons
    this.reasons &= ~REASONS[reason]
    if ((before & REASONS[reason] & NOT_ITS_FAULT) !== 0) {
      this.frameSinceMs = this.options.clock.nowMs()
    }
    if (before === 0 || this.reasons !== 0 || this.closed) return
    this.readSinceMs = this.options.clock.nowMs()
    this.socket.resume()
  }

  /** It is not read before its turn: too many came at once. */
  holdFor(delayMs: number): void {
    this.hold('rate')
    this.turn = this.options.clock.after(delayMs, () => this.release('rate'))
  }

  /** What it has begun to send is read on as far as it has its memory; nothing more is. */
  holdBetweenFrames(): void {
    if (!this.reader.isWithinFrame) this.hold('requests')
  }

  close(): void {
    this.socket.destroy()
    // Whatever else came in the same piece is not worked on: what a client sent after a request
    // that was refused must not be done without it. After destroy, when nothing reads into a frame.
    this.reader.close()
    this.dropNotBegun()
  }

  get isClosed(): boolean {
    return this.closed
  }

  /**
   * Since when nothing has happened that the broker waits for (nowMs); null while the client waits
   * for the broker. A client that takes none of its answers is as one that says nothing. To be
   * asked now and then: only by that is it seen whether answers are taken.
   */
  idleSinceMs(): number | null {
    const isHeld = (this.reasons & ~REASONS.unsent) !== 0
    if (isHeld || this.queue.length > this.gate.waitingCount) return null
    const unsent = this.socket.writableLength === 0 ? 0 : unsentBytes(this.socket)
    if (unsent !== this.unsentSeen) this.lastActiveMs = this.options.clock.nowMs()
    this.unsentSeen = unsent
    return this.lastActiveMs
  }

  /** Whether its client has not finished for so long what it has begun to send. */
  hasUnfinished(msMax: number): boolean {
    if (!this.reader.isWithinFrame || (this.reasons & NOT_ITS_FAULT) !== 0) return false
    return this.options.clock.nowMs() - this.frameSinceMs >= msMax
  }

  /**
   * Bytes of requests that only their client can free, and has not for so long: they wait for others
   * of the same client, or for anything but the bucket.
   */
  stuckBytes(msMax: number): number {
    if ((this.reasons & REASONS.memory) !== 0) return 0
    const beforeMs = this.options.clock.nowMs() - msMax
    let bytes = 0
    for (const request of this.queue) {
      if (request.receivedAtMs > beforeMs || !isCounted(request)) continue
      if (!isProduce(request) || request.pieces !== null) bytes += request.frame.buffer.length
    }
    return bytes
  }

  /**
   * Whether it has begun a frame that is larger than it is trusted with, and is not about to end it:
   * it is silent for so long, or has been at it, and may have waited for others, for so long.
   */
  isSlow(silentMsMax: number, unfinishedMsMax: number): boolean {
    if (!this.reader.isGrowing || (this.reasons & NOT_ITS_FAULT) !== 0) return false
    const nowMs = this.options.clock.nowMs()
    if (nowMs - this.frameSinceMs >= unfinishedMsMax) return true
    const heardMs = Math.max(this.lastActiveMs, this.readSinceMs)
    return this.reasons === 0 && nowMs - heardMs >= silentMsMax
  }

  /** Whether answers wait for the client to take them. */
  get hasUnsent(): boolean {
    return this.socket.writableLength > 0
  }

  private onClose(): void {
    if (this.closed) return
    this.closed = true
    this.handshake?.cancel()
    this.turn?.cancel()
    this.reader.close()
    this.dropNotBegun()
    this.dropAnswers()
    for (const request of this.queue) request.onConnectionClosed?.()
    this.options.onClosed(this)
  }

  /** Nobody is to work on them any more. */
  private dropNotBegun(): void {
    for (const request of this.gate.close()) {
      this.queue.splice(this.queue.indexOf(request), 1)
      this.queuedBytes -= request.frame.buffer.length
      this.options.requestBytes.give(request.frame.buffer.length)
      request.frame.release()
    }
  }
}

function isProduce(request: Request): boolean {
  return request.api.key === apis.produce.key
}

/**
 * Whether a request counts until it is answered: a produce, for the records in it, and whatever
 * else is large: its frame stays until then.
 */
function countsUntilAnswered(request: Request): boolean {
  return isProduce(request) || request.frame.buffer.length > SMALL_BYTES_MAX
}

/** Whether it counts now, where it is not answered or waits for the answers before its own. */
function isCounted(request: Request): boolean {
  return !request.hasBegun || countsUntilAnswered(request)
}
