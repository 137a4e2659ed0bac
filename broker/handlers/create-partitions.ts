import { RejectedProposal } from '../../metadata/errors.ts'
import type { ImageState } from '../../metadata/image.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../protocol/messages/create-partitions.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'
import { changeMetadata } from './metadata-append.ts'
import { ownersForNew } from './topic-creation.ts'
import { isInternalTopic } from './topic-names.ts'

type Wanted = CreatePartitionsRequest['topics'][number]
type Answer = CreatePartitionsResponse['results'][number]

/** As for CreateTopics: it bounds the record, and the time to place it. */
const PARTITIONS_PER_REQUEST_MAX = 10_000

/**
 * CreatePartitions: v0-3 (KIP-195).
 *
 * Differs from Kafka: internal topics keep their partitions, because which of them a group's offsets
 * are in follows from their number. Of a manual assignment the first broker that is active becomes
 * the owner. Every broker takes this request; the answer comes when the partitions are in the
 * metadata log, and `timeoutMs` is not looked at.
 *
 * v3: KIP-599, a quota error that is never given.
 */
export const handleCreatePartitions = answering(
  async (broker: Broker, body: CreatePartitionsRequest): Promise<CreatePartitionsResponse> => {
    const counts = new Map<string, number>()
    for (const { name } of body.topics) counts.set(name, (counts.get(name) ?? 0) + 1)
    const answers: Promise<Answer>[] = []
    for (const wanted of body.topics) {
      const count = counts.get(wanted.name)
      // What is asked for twice is answered once, as in Kafka.
      counts.delete(wanted.name)
      if (count !== undefined) answers.push(grow(broker, wanted, count > 1, body.validateOnly))
    }
    return { results: await Promise.all(answers) }
  },
)

async function grow(
  broker: Broker,
  wanted: Wanted,
  isNamedTwice: boolean,
  validateOnly: boolean,
): Promise<Answer> {
  const { name } = wanted
  if (isNamedTwice) {
    const errorMessage = 'Duplicate topic name.'
    return { name, errorCode: codeOf('INVALID_REQUEST'), errorMessage }
  }
  const change = await changeMetadata(broker, (image) => {
    const record = growthRecord(image, wanted)
    return validateOnly ? null : [record]
  })
  return { name, errorCode: codeOf(change.error), errorMessage: change.message }
}

function growthRecord(image: ImageState, wanted: Wanted): MetadataRecord {
  const { name, count, assignments } = wanted
  const topic = findTopic(image, { name })
  if (topic === undefined) {
    throw new RejectedProposal('UNKNOWN_TOPIC_OR_PARTITION', `The topic '${name}' does not exist.`)
  }
  if (isInternalTopic(name)) {
    const message = `The partitions of the internal topic '${name}' cannot become more.`
    throw new RejectedProposal('INVALID_TOPIC_EXCEPTION', message)
  }
  const added = count - topic.partitions.length
  if (added <= 0) {
    const has = `Topic ${name} currently has ${topic.partitions.length} partitions`
    throw new RejectedProposal('INVALID_PARTITIONS', `${has}, which is not less than ${count}.`)
  }
  if (added > PARTITIONS_PER_REQUEST_MAX) {
    const message = `At most ${PARTITIONS_PER_REQUEST_MAX} partitions are added by one request.`
    throw new RejectedProposal('POLICY_VIOLATION', message)
  }
  const why = assignments === null ? null : whyNotAssignments(assignments, added)
  if (why !== null) throw new RejectedProposal('INVALID_REPLICA_ASSIGNMENT', why)
  const wishes = assignments?.map(({ brokerIds }) => brokerIds)
  const owners = ownersForNew(image, { partitions: added, ...(wishes && { wishes }) })
  if (owners.length === 0) throw new RejectedProposal('BROKER_NOT_AVAILABLE', 'no active node')
  return { type: 'partitions-added', topicId: topic.topicId, owners }
}

function whyNotAssignments(
  assignments: NonNullable<Wanted['assignments']>,
  added: number,
): string | null {
  if (assignments.length !== added) {
    return `${added} partitions are added, but ${assignments.length} assignments are given.`
  }
  for (const { brokerIds } of assignments) {
    if (brokerIds.length === 0) return 'An assignment has an empty replica list.'
    if (new Set(brokerIds).size < brokerIds.length) return 'An assignment names a broker twice.'
  }
  return null
}
