import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { sleep, systemClock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { joined } from '../../broker/protocol/codec.ts'
import { encodeRequestFrame } from '../../broker/protocol/request-header.ts'
import { fetchBody } from '../../e2e/lib/api-bodies.ts'
import { mutated } from '../decoders/mutate.ts'
import type { Conversations } from './conversations.ts'
import type { Prey } from './frames.ts'

const CHANGED_BYTES_MAX = 64 * 1024
const ANSWER_MS_MAX = 400
const SIZE_BYTES = 4
const PIPELINED_MAX = 40

/** What a stranger does its mischief with. */
export interface Surroundings {
  readonly random: Random
  readonly port: number
  /** The same broker, where it wants TLS. */
  readonly tlsPort: number
  readonly prey: Prey
  /** Told of each frame that was sent, whole or not. */
  readonly onFrame: () => void
  readonly frame: () => Buffer
  readonly bomb: Buffer
  /** A topic of others that has much in it. */
  readonly backlogTopicId: string
  readonly frameBytesMax: number
  readonly conversations: Conversations
}

type Deed = (surroundings: Surroundings) => Promise<void>

/** One of four speaks TLS; one of eight comes to the wrong door. */
function open({ random, port, tlsPort, conversations }: Surroundings): Socket {
  const isTls = random.below(4) === 0
  const isWrong = random.below(8) === 0
  const options = { host: '127.0.0.1', port: isTls !== isWrong ? tlsPort : port }
  const socket = isTls
    ? connectTls({ ...options, rejectUnauthorized: false })
    : connect({ ...options, noDelay: true })
  // Being thrown out is what these are there for.
  socket.on('error', () => {})
  conversations.begin(socket)
  return socket
}

function send(around: Surroundings, socket: Socket, frame: Buffer): void {
  write(around, socket, frame)
  around.onFrame()
}

function write({ conversations }: Surroundings, socket: Socket, bytes: Buffer): void {
  socket.write(bytes)
  conversations.said(socket, bytes)
}

async function goneAfter(sockets: readonly Socket[], delayMs: number): Promise<void> {
  await sleep(systemClock, delayMs)
  for (const socket of sockets) socket.destroy()
}

function framed(body: Buffer): Buffer {
  const size = Buffer.alloc(SIZE_BYTES)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

/** Changed inside, and with the size that it has then. */
function changedFrame({ random, frame }: Surroundings): Buffer {
  const [base, other] = [frame(), frame()].map((each) => each.subarray(SIZE_BYTES))
  return framed(mutated(random, base as Buffer, other as Buffer, CHANGED_BYTES_MAX))
}

/** Frames without a pause, most of them as they should be; then half a one, or nonsense. */
const pipelined: Deed = async (around) => {
  const { random } = around
  const socket = open(around)
  socket.resume()
  for (let left = 1 + random.below(PIPELINED_MAX); left > 0; left--) {
    send(around, socket, random.below(5) === 0 ? changedFrame(around) : around.frame())
  }
  const last = around.frame()
  write(around, socket, last.subarray(0, random.below(last.length)))
  if (random.below(2) === 0) socket.end()
  await goneAfter([socket], random.below(ANSWER_MS_MAX))
}

/** One changed frame on each of many connections. */
const changed: Deed = async (around) => {
  const sockets = Array.from({ length: 10 }, () => {
    const socket = open(around)
    socket.resume()
    send(around, socket, changedFrame(around))
    return socket
  })
  await goneAfter(sockets, around.random.below(ANSWER_MS_MAX))
}

const nonsense: Deed = async (around) => {
  const { random } = around
  const socket = open(around)
  socket.resume()
  send(around, socket, random.below(2) === 0 ? random.bytes(500) : framed(random.bytes(500)))
  await goneAfter([socket], random.below(100))
}

/** A byte at a time. */
const dripping: Deed = async (around) => {
  const { random, frame, onFrame } = around
  const socket = open(around)
  socket.resume()
  const bytes = frame()
  onFrame()
  const end = random.below(Math.min(bytes.length, 200))
  for (let at = 0; at < end; at++) {
    write(around, socket, bytes.subarray(at, at + 1))
    await sleep(systemClock, 2)
  }
  socket.destroy()
}

/** Asks for all there is, over and over, and takes nothing. */
const notReading: Deed = async (around) => {
  const { random, backlogTopicId } = around
  const socket = open(around)
  socket.pause()
  const header = { correlationId: 1, clientId: 'slow' }
  const wanted = [0, 1].map((partition) => ({ partition, fetchOffset: 0 }))
  const body = fetchBody(backlogTopicId, wanted)
  const fetch = joined(encodeRequestFrame(apis.fetch.request, 16, header, body))
  for (let left = PIPELINED_MAX; left > 0; left--) send(around, socket, fetch)
  await goneAfter([socket], 500 + random.below(3_000))
}

/** Says that very much is to come, and then sends little, or some of it. */
const claiming: Deed = async (around) => {
  const { random, frameBytesMax } = around
  const sockets = Array.from({ length: 30 }, () => {
    const socket = open(around)
    const size = Buffer.alloc(SIZE_BYTES + random.below(random.below(10) === 0 ? 500_000 : 50))
    size.writeInt32BE(frameBytesMax - random.below(100) + random.below(2) * 100)
    send(around, socket, size)
    return socket
  })
  await goneAfter(sockets, random.below(2_000))
}

const flooding: Deed = async (around) => {
  const sockets = Array.from({ length: 150 }, () => open(around))
  await goneAfter(sockets, around.random.below(1_000))
}

const bombing: Deed = async (around) => {
  const socket = open(around)
  socket.resume()
  send(around, socket, around.bomb)
  await goneAfter([socket], around.random.below(3_000))
}

/** Each as often as it stands here. */
const DEEDS: readonly Deed[] = [
  ...[pipelined, pipelined, pipelined, pipelined, pipelined, pipelined],
  ...[changed, changed, changed, changed, changed, changed],
  ...[nonsense, nonsense, dripping, dripping],
  ...[notReading, claiming, flooding, bombing],
]

/** One stranger's visit. Which deed it is, and of what bytes, follows from the randomness. */
export function visit(surroundings: Surroundings): Promise<void> {
  const deed = DEEDS[surroundings.random.below(DEEDS.length)] as Deed
  return deed(surroundings)
}
