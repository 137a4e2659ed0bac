import { assert } from '../base/assert.ts'
import type { SharedBytes } from '../base/buffer-pool.ts'
import type { AnyApi } from './protocol/api-keys.ts'
import { encodeResponseFrame } from './protocol/response-header.ts'

/** What a request needs of the connection that it came from. */
export interface RequestChannel {
  readonly listener: string
  readonly remoteAddress: string
  readonly isClosed: boolean
  nowMs(): number
  /** A request has its answer: it can be sent once those before it are. */
  answered(): void
  close(): void
}

/**
 * One request, from its frame to its answer. Its body is decoded; views in it lie in `frame`, which
 * the request owns until it is answered: whoever keeps a view longer retains the frame.
 */
export class Request {
  readonly connection: RequestChannel
  readonly api: AnyApi
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly body: unknown
  readonly frame: SharedBytes
  readonly receivedAtMs: number
  /** The pieces of the answer once there is one; null until then. */
  pieces: readonly Uint8Array[] | null = null
  piecesBytes = 0
  /** Whether it is worked on; until then it waits for others of its client. */
  hasBegun = false
  /** Told once, when the request is answered. */
  onAnswered: ((request: Request) => void) | null = null
  /** Told when nobody waits for the answer any more, unless there is one already. */
  onConnectionClosed: (() => void) | null = null
  private owned: readonly SharedBytes[] = []

  constructor(
    connection: RequestChannel,
    header: { api: AnyApi; version: number; correlationId: number; clientId: string | null },
    body: unknown,
    frame: SharedBytes,
  ) {
    this.connection = connection
    this.api = header.api
    this.version = header.version
    this.correlationId = header.correlationId
    this.clientId = header.clientId
    this.body = body
    this.frame = frame
    this.receivedAtMs = connection.nowMs()
  }

  /** Answers; `frames` own memory that `response` has views of and are released once it is sent. */
  respond(response: unknown, frames: readonly SharedBytes[] = []): void {
    assert(this.pieces === null, 'a request is answered once')
    const encoded = encodeResponseFrame(
      this.api.response,
      this.version,
      this.correlationId,
      response as never,
    )
    this.answer(encoded.chunks, encoded.totalBytes, frames)
  }

  /** Some requests have no answer (acks=0). */
  respondNothing(): void {
    this.answer([], 0, [])
  }

  /** Bytes that are a frame already. */
  answer(pieces: readonly Uint8Array[], bytes: number, frames: readonly SharedBytes[]): void {
    this.pieces = pieces
    this.piecesBytes = bytes
    this.owned = frames
    this.frame.release()
    this.onAnswered?.(this)
    this.connection.answered()
  }

  /** What the answer had views of is free again. */
  sent(): void {
    for (const frame of this.owned) frame.release()
    this.owned = []
  }
}
