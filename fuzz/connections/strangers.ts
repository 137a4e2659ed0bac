import { connect, type Socket } from 'node:net'
import { sleep, systemClock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { joined } from '../../broker/protocol/codec.ts'
import { encodeRequestFrame } from '../../broker/protocol/request-header.ts'
import { fetchBody } from '../../e2e/lib/api-bodies.ts'
import { mutated } from '../decoders/mutate.ts'
import type { Prey } from './frames.ts'

const FRAME_BYTES_MAX = 64 * 1024
const ANSWER_MS_MAX = 400
const SIZE_BYTES = 4
const PIPELINED_MAX = 40

/** What a stranger does its mischief with. */
export interface Surroundings {
  readonly random: Random
  readonly port: number
  readonly prey: Prey
  readonly frame: () => Buffer
  readonly bomb: Buffer
  /** A topic of others that has much in it. */
  readonly backlogTopicId: string
  readonly frameBytesMax: number
}

type Deed = (surroundings: Surroundings) => Promise<void>

function open(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  // Being thrown out is what these are there for.
  socket.on('error', () => {})
  return socket
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
  return framed(mutated(random, base as Buffer, other as Buffer, FRAME_BYTES_MAX))
}

/** Frames without a pause, most of them as they should be; then half a one, or nonsense. */
const pipelined: Deed = async (around) => {
  const { random, port } = around
  const socket = open(port)
  socket.resume()
  for (let left = 1 + random.below(PIPELINED_MAX); left > 0; left--) {
    socket.write(random.below(5) === 0 ? changedFrame(around) : around.frame())
  }
  const last = around.frame()
  socket.write(last.subarray(0, random.below(last.length)))
  if (random.below(2) === 0) socket.end()
  await goneAfter([socket], random.below(ANSWER_MS_MAX))
}

/** One changed frame on each of many connections. */
const changed: Deed = async (around) => {
  const sockets = Array.from({ length: 10 }, () => {
    const socket = open(around.port)
    socket.resume()
    socket.write(changedFrame(around))
    return socket
  })
  await goneAfter(sockets, around.random.below(ANSWER_MS_MAX))
}

const nonsense: Deed = async ({ random, port }) => {
  const socket = open(port)
  socket.resume()
  socket.write(random.below(2) === 0 ? random.bytes(500) : framed(random.bytes(500)))
  await goneAfter([socket], random.below(100))
}

/** A byte at a time. */
const dripping: Deed = async ({ random, port, frame }) => {
  const socket = open(port)
  socket.resume()
  const bytes = frame()
  const end = random.below(Math.min(bytes.length, 200))
  for (let at = 0; at < end; at++) {
    socket.write(bytes.subarray(at, at + 1))
    await sleep(systemClock, 2)
  }
  socket.destroy()
}

/** Asks for all there is, over and over, and takes nothing. */
const notReading: Deed = async ({ random, port, backlogTopicId }) => {
  const socket = open(port)
  socket.pause()
  const header = { correlationId: 1, clientId: 'slow' }
  const wanted = [0, 1].map((partition) => ({ partition, fetchOffset: 0 }))
  const body = fetchBody(backlogTopicId, wanted)
  const fetch = joined(encodeRequestFrame(apis.fetch.request, 16, header, body))
  for (let left = PIPELINED_MAX; left > 0; left--) socket.write(fetch)
  await goneAfter([socket], 500 + random.below(3_000))
}

/** Says that very much is to come, and then sends little. */
const claiming: Deed = async ({ random, port, frameBytesMax }) => {
  const sockets = Array.from({ length: 30 }, () => {
    const socket = open(port)
    const size = Buffer.alloc(SIZE_BYTES + random.below(50))
    size.writeInt32BE(frameBytesMax - random.below(100) + random.below(2) * 100)
    socket.write(size)
    return socket
  })
  await goneAfter(sockets, random.below(2_000))
}

const flooding: Deed = async ({ random, port }) => {
  const sockets = Array.from({ length: 150 }, () => open(port))
  await goneAfter(sockets, random.below(1_000))
}

const bombing: Deed = async ({ random, port, bomb }) => {
  const socket = open(port)
  socket.resume()
  socket.write(bomb)
  await goneAfter([socket], random.below(3_000))
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
