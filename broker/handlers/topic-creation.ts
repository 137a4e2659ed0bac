import { randomUuid } from '../../base/random.ts'
import { spread } from '../../controller/balancer.ts'
import { ableNodes } from '../../controller/takeover.ts'
import { RejectedProposal } from '../../metadata/errors.ts'
import type { ImageState } from '../../metadata/image.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Broker } from './context.ts'
import { changeMetadata } from './metadata-append.ts'
import { collidingTopic } from './topic-names.ts'

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
  /** Per partition the nodes that should own it: the first one that is active does. */
  readonly wishes?: readonly (readonly number[])[]
}

export type TopicCreation =
  | { readonly error: null; readonly topicId: string }
  | { readonly error: ErrorName; readonly message: string }

/** Who owns new partitions: whom the topic wishes, the others spread over the active nodes. */
export function ownersForNew(
  image: ImageState,
  topic: Pick<NewTopic, 'partitions' | 'wishes'>,
): number[] {
  const owned = new Map<number, number>()
  for (const { nodeId } of ableNodes(image)) owned.set(nodeId, image.ownedCounts.get(nodeId) ?? 0)
  const wished: (number | undefined)[] = []
  for (let partition = 0; partition < topic.partitions; partition++) {
    const nodeId = topic.wishes?.[partition]?.find((wish) => owned.has(wish))
    wished.push(nodeId)
    if (nodeId !== undefined) owned.set(nodeId, (owned.get(nodeId) ?? 0) + 1)
  }
  const bins = Array.from(owned, ([nodeId, count]) => ({ nodeId, count }))
  const free = wished.filter((nodeId) => nodeId === undefined)
  const spreadOwners = spread(free.length, bins).values()
  return wished.flatMap((nodeId) => nodeId ?? spreadOwners.next().value ?? [])
}

function creationRecord(
  broker: Broker,
  image: ImageState,
  topic: NewTopic,
  topicId: string,
): MetadataRecord {
  const { name, configs } = topic
  if (image.topicIds.has(name)) {
    throw new RejectedProposal('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
  }
  const colliding = collidingTopic(image, name)
  if (colliding !== null) {
    const message = `Topic '${name}' collides with existing topic: ${colliding}`
    throw new RejectedProposal('INVALID_TOPIC_EXCEPTION', message)
  }
  const owners = ownersForNew(image, topic)
  if (owners.length === 0) throw new RejectedProposal('BROKER_NOT_AVAILABLE', 'no active node')
  return { type: 'topic-created', topicId, name, owners, configs, atMs: broker.clock.wallMs() }
}

/**
 * Creates a topic, unless there is one of that name or one that looks like it. With `validateOnly`
 * it only finds out, at the head of the metadata log, whether it could be created.
 */
export async function createTopic(
  broker: Broker,
  topic: NewTopic,
  { validateOnly }: { validateOnly: boolean } = { validateOnly: false },
): Promise<TopicCreation> {
  const topicId = randomUuid(broker.random)
  const change = await changeMetadata(broker, (image) => {
    const record = creationRecord(broker, image, topic, topicId)
    return validateOnly ? null : [record]
  })
  if (change.error !== null) return { error: change.error, message: change.message }
  return { error: null, topicId }
}
