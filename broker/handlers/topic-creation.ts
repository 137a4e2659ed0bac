import { randomUuid } from '../../base/random.ts'
import { spread } from '../../controller/balancer.ts'
import { ableNodes } from '../../controller/takeover.ts'
import { RejectedProposal } from '../../metadata/errors.ts'
import type { ImageState } from '../../metadata/image.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Broker } from './context.ts'

const NAME_LENGTH_MAX = 249

/** Why a topic cannot have this name, by Kafka's rules (Topic.validate), or null. */
export function whyNotTopicName(name: string): string | null {
  if (name.length === 0) return 'a topic name must not be empty'
  if (name === '.' || name === '..') return `a topic name must not be '.' or '..'`
  if (name.length > NAME_LENGTH_MAX) return `a topic name has at most ${NAME_LENGTH_MAX} characters`
  if (/[^a-zA-Z0-9._-]/.test(name)) {
    return `topic name '${name}' has characters other than ASCII letters, digits, '.', '_' and '-'`
  }
  return null
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
}

export type TopicCreation =
  | { readonly error: null; readonly topicId: string }
  | { readonly error: ErrorName; readonly message: string }

/** Who owns new partitions: spread over the active nodes, starting where there is least. */
export function ownersForNew(image: ImageState, count: number): number[] {
  const owned = new Map<number, number>()
  for (const { partitions } of image.topics.values()) {
    for (const { nodeId } of partitions) owned.set(nodeId, (owned.get(nodeId) ?? 0) + 1)
  }
  const nodes = ableNodes(image).map(({ nodeId }) => ({ nodeId, count: owned.get(nodeId) ?? 0 }))
  return spread(count, nodes)
}

/** Creates a topic, unless there is one of that name. */
export async function createTopic(broker: Broker, topic: NewTopic): Promise<TopicCreation> {
  const topicId = randomUuid(broker.random)
  try {
    await broker.node.append((image): MetadataRecord[] => {
      if (image.topicIds.has(topic.name)) {
        throw new RejectedProposal('TOPIC_ALREADY_EXISTS', `Topic '${topic.name}' already exists.`)
      }
      const owners = ownersForNew(image, topic.partitions)
      if (owners.length === 0) throw new RejectedProposal('BROKER_NOT_AVAILABLE', 'no active node')
      const { name, configs } = topic
      return [{ type: 'topic-created', topicId, name, owners, configs, atMs: broker.clock.wallMs() }]
    })
    return { error: null, topicId }
  } catch (error) {
    // By name: two copies of the module may be loaded in a test run.
    if ((error as Error).name === 'RejectedProposal') {
      const { reason, message } = error as RejectedProposal
      return { error: reason as ErrorName, message }
    }
    broker.logger.error('a topic was not created', { topic: topic.name, error })
    return { error: 'UNKNOWN_SERVER_ERROR', message: 'the metadata log could not be written' }
  }
}
