import { RejectedProposal } from '../../metadata/errors.ts'
import type {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../protocol/messages/delete-topics.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Request } from '../request.ts'
import { answering, type Broker, codeOf, ZERO_UUID } from './context.ts'
import { changeMetadata } from './metadata-append.ts'

type Answer = DeleteTopicsResponse['responses'][number]

/** A topic that a request names in one of the two ways, or in both, which is refused. */
interface Named {
  readonly name: string | null
  readonly topicId: string
}

/**
 * DeleteTopics: v1-6.
 *
 * Differs from Kafka: the topic is gone for all brokers once the metadata log has the record, and
 * the answer waits for that; its data is collected from the bucket later. `timeoutMs` is not looked
 * at.
 *
 * v1-5: names only. v3: TOPIC_DELETION_DISABLED exists. v5: messages. v6: KIP-516, by topic id.
 */
export const handleDeleteTopics = answering(
  async (
    broker: Broker,
    body: DeleteTopicsRequest,
    request: Request,
  ): Promise<DeleteTopicsResponse> => {
    const byName = body.topicNames.map((name): Named => ({ name, topicId: ZERO_UUID }))
    const asked = [...byName, ...body.topics]
    if (broker.config.get('delete.topic.enable') !== 'true') {
      const error = request.version < 3 ? 'INVALID_REQUEST' : 'TOPIC_DELETION_DISABLED'
      const message = 'topics may not be deleted: delete.topic.enable is false'
      const answers = asked.map((topic) => refused(topic, error, message))
      return { responses: await Promise.all(answers) }
    }
    const counts = new Map<string, number>()
    for (const topic of asked) counts.set(keyOf(topic), (counts.get(keyOf(topic)) ?? 0) + 1)
    // What is asked for twice is answered once, as in Kafka.
    const distinct = [...new Map(asked.map((topic) => [keyOf(topic), topic])).values()]
    const byBoth = namedTwice(broker, distinct)
    const answers = distinct.map((topic) => {
      const refusal = whyNotName(topic, counts.get(keyOf(topic)) ?? 0, byBoth)
      return refusal === null
        ? deleteOne(broker, topic)
        : refused(topic, 'INVALID_REQUEST', refusal)
    })
    return { responses: await Promise.all(answers) }
  },
)

function keyOf({ name, topicId }: Named): string {
  return `${topicId} ${name ?? ''}`
}

async function refused(
  { name, topicId }: Named,
  error: ErrorName,
  errorMessage: string,
): Promise<Answer> {
  return { name, topicId, errorCode: codeOf(error), errorMessage }
}

/** Topics that are named by their name and again by their id. */
function namedTwice(broker: Broker, distinct: readonly Named[]): Set<Named> {
  const seen = new Map<string, Named>()
  const twice = new Set<Named>()
  for (const topic of distinct) {
    const byName = topic.name === null ? undefined : broker.node.image.topicIds.get(topic.name)
    const topicId = byName ?? topic.topicId
    const other = seen.get(topicId)
    if (other !== undefined && topicId !== ZERO_UUID) twice.add(topic).add(other)
    seen.set(topicId, topic)
  }
  return twice
}

function whyNotName(topic: Named, count: number, byBoth: ReadonlySet<Named>): string | null {
  const { name, topicId } = topic
  const hasId = topicId !== ZERO_UUID
  if (name === null && !hasId) return 'Neither topic name nor id were specified.'
  if (name !== null && hasId) return 'You may not specify both topic name and topic id.'
  if (count > 1) return `Duplicate topic ${hasId ? 'id' : 'name'}.`
  return byBoth.has(topic) ? 'The topic is named by its name and by its id.' : null
}

async function deleteOne(broker: Broker, topic: Named): Promise<Answer> {
  const { name } = topic
  let deleted: Named = topic
  const change = await changeMetadata(broker, (state) => {
    const topicId = name === null ? topic.topicId : state.topicIds.get(name)
    const entry = topicId === undefined ? undefined : state.topics.get(topicId)
    if (entry === undefined) throw unknownTopic(topic)
    deleted = { name: entry.name, topicId: entry.topicId }
    return [{ type: 'topic-deleted', topicId: entry.topicId }]
  })
  if (change.error !== null) return refused(topic, change.error, change.message)
  return { ...deleted, errorCode: 0, errorMessage: null }
}

function unknownTopic({ name }: Named): RejectedProposal {
  const [reason, what]: [ErrorName, string] =
    name === null ? ['UNKNOWN_TOPIC_ID', 'topic ID'] : ['UNKNOWN_TOPIC_OR_PARTITION', 'topic']
  return new RejectedProposal(reason, `This server does not host this ${what}.`)
}
