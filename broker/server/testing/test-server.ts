import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { BufferPool, type SharedBytes } from '../../../base/buffer-pool.ts'
import { sleep, systemClock } from '../../../base/clock.ts'
import { type Logger, silentLogger } from '../../../base/log.ts'
import { apis } from '../../protocol/api-keys.ts'
import { joined } from '../../protocol/codec.ts'
import { encodeRequestFrame } from '../../protocol/request-header.ts'
import type { Request } from '../../request.ts'
import { ByteBound } from '../byte-bound.ts'
import { type ConnectionLimits, ConnectionQuotas } from '../connection-quotas.ts'
import { RequestBudget } from '../request-budget.ts'
import { Server, type ServerOptions } from '../server.ts'

const WAIT_MS_MAX = 10_000

/** Resolves once it is so. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  while (!isSo()) {
    if (systemClock.nowMs() > endMs) throw new Error(`in vain: ${what}`)
    await sleep(systemClock, 2)
  }
}

/** A client that sees what comes, frame by frame, when it looks. */
export class Client {
  readonly socket: Socket
  isClosed = false
  readonly frames: Buffer[] = []
  private pieces: Buffer[] = []
  private bytes = 0
  private bytesWanted = 4

  constructor(socket: Socket) {
    this.socket = socket
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
    this.socket.on('data', (bytes: Buffer) => this.receive(bytes))
  }

  private receive(piece: Buffer): void {
    this.pieces.push(piece)
    this.bytes += piece.length
    if (this.bytes < this.bytesWanted) return
    const bytes = Buffer.concat(this.pieces)
    let position = 0
    this.bytesWanted = 4
    while (position + 4 <= bytes.length) {
      const end = position + 4 + bytes.readInt32BE(position)
      if (end > bytes.length) {
        this.bytesWanted = end - position
        break
      }
      this.frames.push(bytes.subarray(position + 4, end))
      position = end
    }
    this.pieces = [bytes.subarray(position)]
    this.bytes = bytes.length - position
  }

  /** The correlation ids of the answers that came so far. */
  get answers(): number[] {
    return this.frames.map((frame) => frame.readInt32BE(0))
  }

  send(...pieces: Buffer[]): void {
    this.socket.write(Buffer.concat(pieces))
  }
}

export interface Line {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

/** A logger that puts what it is told, but for debugging, into `lines`. */
export function collecting(lines: Line[]): Logger {
  const at =
    (level: string): Logger['info'] =>
    (message, fields) =>
      void lines.push({ ...fields, level, message })
  const [info, warn, error] = [at('info'), at('warn'), at('error')]
  return { debug: () => {}, info, warn, error, with: () => collecting(lines) }
}

/** No limits but these. */
export function limits(some: Partial<ConnectionLimits>): () => ConnectionLimits {
  const none = Number.POSITIVE_INFINITY
  const all = { connectionsMax: none, perAddressMax: none, perSecondMax: none }
  const listener = () => ({ connectionsMax: none, perSecondMax: none })
  return () => ({ ...all, addressOverrides: new Map(), listener, ...some })
}

/** A server whose requests a test answers. */
export class TestServer {
  readonly pool = new BufferPool(1024 * 1024)
  readonly requests: Request[] = []
  readonly clients: Client[] = []
  onRequest: (request: Request) => void = () => {}
  readonly server: Server
  port = 0

  constructor(options: Partial<ServerOptions> = {}) {
    this.server = new Server({
      listener: 'test',
      host: '127.0.0.1',
      port: 0,
      pool: this.pool,
      frameBytesMax: 1024 * 1024,
      quotas: new ConnectionQuotas(limits({}), () => systemClock.nowMs()),
      tls: null,
      requestBytes: new RequestBudget(
        () => Number.POSITIVE_INFINITY,
        () => {},
      ),
      unsentBytes: new ByteBound(
        () => Number.POSITIVE_INFINITY,
        () => {},
      ),
      dispatcher: {
        serves: (api) => api.key !== apis.createTopics.key,
        dispatch: (request) => {
          this.requests.push(request)
          this.onRequest(request)
        },
      },
      logger: silentLogger,
      clock: systemClock,
      ...options,
    })
  }

  async listen(): Promise<this> {
    this.port = await this.server.listen()
    return this
  }

  async client(): Promise<Client> {
    const client = this.take(connect({ host: '127.0.0.1', port: this.port, noDelay: true }))
    await once(client.socket, 'connect')
    return client
  }

  /** A client on a socket that a test has made. */
  take(socket: Socket): Client {
    const client = new Client(socket)
    this.clients.push(client)
    return client
  }

  /** Answers with the correlation id and `bytes` more, from memory of the pool. */
  answer(request: Request, bytes = 0): void {
    const head = Buffer.alloc(8)
    head.writeInt32BE(4 + bytes, 0)
    head.writeInt32BE(request.correlationId, 4)
    const frames: SharedBytes[] = bytes === 0 ? [] : [this.pool.take(bytes)]
    frames[0]?.buffer.fill(request.correlationId & 0xff)
    const pieces = [head, ...frames.map(({ buffer }) => buffer)]
    request.answer(pieces, 8 + bytes, frames)
  }

  close(): void {
    for (const { socket } of this.clients) socket.destroy()
    this.server.close()
  }
}

/** A Metadata request, of about `padding` bytes more. */
export function request(correlationId: number, padding = 0): Buffer {
  const header = { correlationId, clientId: 'x'.repeat(padding % 10_000) }
  const count = Math.floor(padding / 10_000)
  const topics = Array.from({ length: count }, () => ({ name: 'y'.repeat(10_000) }))
  return joined(encodeRequestFrame(apis.metadata.request, 1, header, { topics }))
}

/** `count` numbers from `first` on. */
export function range(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}
