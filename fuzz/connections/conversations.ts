import type { Socket } from 'node:net'
import { apiOf } from '../../broker/protocol/api-keys.ts'
import { isValidVersion } from '../../broker/protocol/codec.ts'

/** The last ones are kept: what ends a broker was said shortly before. */
const KEPT_MAX = 2_000
/** Of longer ones the beginning is kept. */
const BYTES_MAX = 64 * 1024
/** Size, API key, version. */
const HEAD_BYTES = 8
/** Stands in what is kept for the id of the topic that strangers know, which is another one in each run. */
const TOPIC_ID = Buffer.from('fuzz: a topic id')

/** What a stranger said on one connection. */
interface Conversation {
  readonly pieces: Buffer[]
  bytes: number
}

/** What strangers say, kept for whoever wants it said again. */
export class Conversations {
  /** By what was asked and whether it was answered, one for each kind that is new. */
  readonly novel = new Map<string, Buffer>()
  private readonly topicId: Buffer
  private readonly bySocket = new WeakMap<Socket, Conversation>()
  private kept: Conversation[] = []

  /** `topicId`: the one that strangers know, as Kafka writes ids. */
  constructor(topicId: string) {
    this.topicId = Buffer.from(topicId, 'base64url')
  }

  begin(socket: Socket): void {
    const conversation = { pieces: [], bytes: 0 }
    this.bySocket.set(socket, conversation)
    this.kept.push(conversation)
    if (this.kept.length >= 2 * KEPT_MAX) this.kept = this.kept.slice(-KEPT_MAX)
    socket.once('close', () => this.note(conversation, socket.bytesRead > 0))
  }

  said(socket: Socket, bytes: Buffer): void {
    const conversation = this.bySocket.get(socket)
    if (conversation === undefined || conversation.bytes >= BYTES_MAX) return
    conversation.pieces.push(bytes)
    conversation.bytes += bytes.length
  }

  private note(conversation: Conversation, isAnswered: boolean): void {
    if (conversation.bytes < HEAD_BYTES) return
    const head = Buffer.concat(conversation.pieces, HEAD_BYTES)
    const kind = `${nameOf(head)} ${isAnswered ? 'answered' : 'not answered'}`
    if (!this.novel.has(kind)) this.novel.set(kind, this.whole(conversation))
  }

  /** The last ones, the oldest first. */
  newest(): Buffer[] {
    return this.kept.slice(-KEPT_MAX).map((conversation) => this.whole(conversation))
  }

  private whole({ pieces }: Conversation): Buffer {
    return replaced(Buffer.concat(pieces).subarray(0, BYTES_MAX), this.topicId, TOPIC_ID)
  }

  /** What was kept of another run, as it has to be said in this one. */
  forThisRun(kept: Buffer): Buffer {
    return replaced(kept, TOPIC_ID, this.topicId)
  }
}

/** The API and version that a frame says to be of. */
function nameOf(frame: Buffer): string {
  const api = apiOf(frame.readInt16BE(4))
  const version = frame.readInt16BE(6)
  if (api === undefined) return 'no such API'
  return isValidVersion(api.request, version)
    ? `${api.name} v${version}`
    : `${api.name} of no version`
}

/** A copy with all of `before` replaced by `after`, which is as long. */
function replaced(bytes: Buffer, before: Buffer, after: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (let at = copy.indexOf(before); at >= 0; at = copy.indexOf(before, at + before.length)) {
    after.copy(copy, at)
  }
  return copy
}

/**
 * The conversations that cause a fault, as few of them as halving finds: mostly one. `isFaulty`: whether
 * a broker that hears them all shows the fault. Null: all of them together do not cause it.
 */
export async function culprits(
  all: readonly Buffer[],
  isFaulty: (conversations: readonly Buffer[]) => Promise<boolean>,
): Promise<readonly Buffer[] | null> {
  if (!(await isFaulty(all))) return null
  let found = all
  while (found.length > 1) {
    const middle = Math.ceil(found.length / 2)
    // Most likely among the last that were said.
    const halves = [found.slice(middle), found.slice(0, middle)]
    let smaller: readonly Buffer[] | null = null
    for (const half of halves) {
      if (smaller === null && (await isFaulty(half))) smaller = half
    }
    if (smaller === null) return found
    found = smaller
  }
  return found
}
