import { OFFSETS_TOPIC } from '../coordinator/group-coordinator.ts'
import type { AnyApi } from '../protocol/api-keys.ts'
import { codecOf, encodeToBuffer } from '../protocol/codec.ts'
import { type Broker, codeOf, findTopic } from './context.ts'
import { ownershipFor } from './group-shard.ts'

/** A coordinator waits for groups that it is loading; an administrator's client waits far longer. */
const ANSWER_MS_MAX = 10_000

/** Who asks about groups: a client, or another broker to which a client came. */
export interface Asker {
  readonly api: AnyApi
  readonly version: number
  readonly isPassedOn?: boolean
}

/** What is said of one group. */
interface GroupAnswer {
  readonly groupId: string
  readonly errorCode?: number | undefined
}

/** How an API asks about groups, and answers. */
interface Asking<Answer, Response> {
  /** The request, about these groups of it alone: their places in it, in order. */
  readonly about: (places: readonly number[]) => unknown
  /** In the order of what was asked. */
  readonly answersIn: (response: Response) => readonly Answer[]
}

/**
 * `answers`, one for each group that was asked about, where those of groups that others coordinate are
 * theirs: each is asked once about all of its groups. What nobody answers stays NOT_COORDINATOR.
 *
 * Coordinators move when brokers come and go. Members look for theirs; but librdkafka's AdminClient
 * keeps the one that it knew for `metadata.max.age.ms` and raises what that one answers
 * (rdkafka_coord.c), as an administrator would have it in Kafka as well.
 */
export async function withOthers<Answer extends GroupAnswer, Response>(
  broker: Broker,
  asker: Asker,
  answers: Answer[],
  asking: Asking<Answer, Response>,
): Promise<Answer[]> {
  const topic = findTopic(broker.node.image, { name: OFFSETS_TOPIC })
  if (topic === undefined || asker.isPassedOn === true) return answers
  const placesOf = new Map<number, number[]>()
  for (const [place, { groupId, errorCode }] of answers.entries()) {
    if (errorCode !== NOT_COORDINATOR) continue
    const nodeId = ownershipFor(topic, groupId)?.nodeId
    if (nodeId === undefined || nodeId === broker.node.nodeId) continue
    const places = placesOf.get(nodeId)
    if (places === undefined) placesOf.set(nodeId, [place])
    else places.push(place)
  }
  if (placesOf.size === 0) return answers
  const all = [...answers]
  const calls = [...placesOf].map(async ([nodeId, places]) => {
    const response = await ask(broker, asker, nodeId, asking.about(places))
    if (response === null) return
    for (const [at, answer] of asking.answersIn(response as Response).entries()) {
      const place = places[at]
      if (place !== undefined && answer.groupId === answers[place]?.groupId) all[place] = answer
    }
  })
  await Promise.all(calls)
  return all
}

/** What stands at these places. */
export function picked<T>(all: readonly T[], places: readonly number[]): T[] {
  return places.map((place) => all[place] as T)
}

const NOT_COORDINATOR = codeOf('NOT_COORDINATOR')

/** Null: it does not answer in time, or is gone. */
async function ask(
  { node, logger, clock, random }: Broker,
  { api, version }: Asker,
  nodeId: number,
  body: unknown,
): Promise<unknown> {
  try {
    const nonce = random.bytes(NONCE_BYTES)
    const header = { key: api.key, version, sentMs: clock.wallMs(), nonce }
    const call = passedOnCall(header, encodeToBuffer(api.request, version, body as never))
    const reply = await node.callNode(nodeId, 'group', call, ANSWER_MS_MAX)
    return reply === null ? null : codecOf(api.response, version).decode(reply)
  } catch (error) {
    logger.debug('a coordinator could not be asked', { coordinator: nodeId, api: api.name, error })
    return null
  }
}

const NONCE_BYTES = 16
const HEADER_BYTES = 12 + NONCE_BYTES

/** Of a request that is passed on. `sentMs`: clock.wallMs of whoever sent it. */
export interface PassedOnHeader {
  readonly key: number
  readonly version: number
  readonly sentMs: number
  readonly nonce: Buffer
}

/** `body`: a request of that API and version. */
export function passedOnCall(header: PassedOnHeader, body: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES)
  head.writeInt16BE(header.key, 0)
  head.writeInt16BE(header.version, 2)
  head.writeDoubleBE(header.sentMs, 4)
  header.nonce.copy(head, 12)
  return Buffer.concat([head, body])
}

/** The header of {@link passedOnCall}, and where the body begins. Throws where it is cut short. */
export function passedOnHeader(call: Buffer): PassedOnHeader & { bodyAt: number } {
  return {
    key: call.readInt16BE(0),
    version: call.readInt16BE(2),
    sentMs: call.readDoubleBE(4),
    nonce: call.subarray(12, HEADER_BYTES),
    bodyAt: HEADER_BYTES,
  }
}
