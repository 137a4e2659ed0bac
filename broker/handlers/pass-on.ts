import { OFFSETS_TOPIC, offsetsPartitionOf } from '../coordinator/group-coordinator.ts'
import type { AnyApi } from '../protocol/api-keys.ts'
import { codecOf, encodeToBuffer } from '../protocol/codec.ts'
import { type Broker, findTopic } from './context.ts'

/** A coordinator waits for groups that it is loading; an administrator's client waits far longer. */
const ANSWER_MS_MAX = 10_000

/** Who asks about a group: a client, or another broker to which a client came. */
export interface Asker {
  readonly api: AnyApi
  readonly version: number
  readonly isPassedOn?: boolean
}

/**
 * Asks the coordinator of a group, another broker, what a client asked here; null where nobody is
 * asked or answers. `body` is about that group alone. Resolves with the response in the client's version.
 *
 * Coordinators move when brokers come and go. Members look for theirs; but librdkafka's AdminClient
 * keeps the one that it knew for `metadata.max.age.ms` and raises what that one answers
 * (rdkafka_coord.c), as an administrator would have it in Kafka as well.
 */
export async function passOn<Answer>(
  broker: Broker,
  asker: Asker,
  groupId: string,
  body: unknown,
): Promise<Answer | null> {
  const { node, logger } = broker
  const topic = findTopic(node.image, { name: OFFSETS_TOPIC })
  if (topic === undefined || asker.isPassedOn === true) return null
  const nodeId = topic.partitions[offsetsPartitionOf(groupId, topic.partitions.length)]?.nodeId
  if (nodeId === undefined || nodeId === node.nodeId) return null
  const { api, version } = asker
  try {
    const call = passedOnCall(api, version, body)
    const reply = await node.callNode(nodeId, 'group', call, ANSWER_MS_MAX)
    return reply === null ? null : (codecOf(api.response, version).decode(reply) as Answer)
  } catch (error) {
    logger.debug('a coordinator could not be asked', { coordinator: nodeId, api: api.name, error })
    return null
  }
}

const HEADER_BYTES = 4

function passedOnCall(api: AnyApi, version: number, body: unknown): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeInt16BE(api.key, 0)
  header.writeInt16BE(version, 2)
  return Buffer.concat([header, encodeToBuffer(api.request, version, body as never)])
}

/** What {@link passOn} asks, of whoever knows the cluster's secret. Throws where it is cut short. */
export function passedOnHeader(call: Buffer): { key: number; version: number; bodyAt: number } {
  return { key: call.readInt16BE(0), version: call.readInt16BE(2), bodyAt: HEADER_BYTES }
}
