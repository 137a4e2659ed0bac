import { effectiveValue, whyNotTopicConfigs } from '../config/topic-config.ts'
import { shownValue } from '../config/config-definition.ts'
import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import type {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../protocol/messages/create-topics.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import { CONFIG_SOURCE } from './config-source.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { createTopic, type NewTopic, whyNotTopicName } from './topic-creation.ts'
import { CLUSTER_METADATA_TOPIC } from './topic-names.ts'

type Wanted = CreateTopicsRequest['topics'][number]
type Answer = CreateTopicsResponse['topics'][number]

interface Refusal {
  readonly error: ErrorName
  readonly message: string
}

/** Kafka's limit for what one request may create: it bounds the record, and the time to place it. */
const PARTITIONS_PER_REQUEST_MAX = 10_000

/**
 * CreateTopics: v2-7.
 *
 * Differs from Kafka: any replication factor is accepted, however few brokers there are, and the
 * answer says 1, since the copies are the bucket's business. In a manual assignment the first
 * broker that is active becomes the owner; brokers that are not there are no error. Every broker
 * takes this request. The answer comes when the topic is in the metadata log; `timeoutMs` is not
 * looked at. Topics with a colliding name ('.' and '_') are found within one request too.
 *
 * v4: KIP-464, -1 for the broker's defaults. v5: KIP-525, what the topic got. v7: KIP-516, its id.
 */
export const handleCreateTopics = answering(
  async (broker: Broker, body: CreateTopicsRequest): Promise<CreateTopicsResponse> => {
    const counts = new Map<string, number>()
    for (const { name } of body.topics) counts.set(name, (counts.get(name) ?? 0) + 1)
    const isTooMuch = partitionsAskedFor(broker, body.topics) > PARTITIONS_PER_REQUEST_MAX
    const answers: Promise<Answer>[] = []
    for (const wanted of body.topics) {
      const count = counts.get(wanted.name)
      // What is asked for twice is answered once, as in Kafka.
      counts.delete(wanted.name)
      if (count === undefined) continue
      const refusal = count > 1 ? DUPLICATE : isTooMuch ? TOO_MUCH : whyNotTopic(broker, wanted)
      // All are proposed in the same turn of the event loop, so they go into one batch.
      answers.push(refusal === null ? create(broker, wanted, body) : refused(wanted.name, refusal))
    }
    return { topics: await Promise.all(answers) }
  },
)

const DUPLICATE: Refusal = { error: 'INVALID_REQUEST', message: 'Duplicate topic name.' }
const TOO_MUCH: Refusal = {
  error: 'POLICY_VIOLATION',
  message: 'Excessively large number of partitions per request.',
}

function partitionsOf(broker: Broker, { assignments, numPartitions }: Wanted): number {
  if (assignments.length > 0) return assignments.length
  return numPartitions === -1 ? broker.config.number('num.partitions') : numPartitions
}

function partitionsAskedFor(broker: Broker, topics: readonly Wanted[]): number {
  return topics.reduce((sum, wanted) => sum + Math.max(0, partitionsOf(broker, wanted)), 0)
}

/** What is wrong with the wish itself, whatever topics there are. */
function whyNotTopic(broker: Broker, wanted: Wanted): Refusal | null {
  const { name, configs } = wanted
  const whyNotName = whyNotTopicName(name)
  if (whyNotName !== null) return { error: 'INVALID_TOPIC_EXCEPTION', message: whyNotName }
  if (name === CLUSTER_METADATA_TOPIC) {
    const message = `Creation of internal topic ${name} is prohibited.`
    return { error: 'INVALID_REQUEST', message }
  }
  const whyNotConfigs = whyNotTopicConfigs(broker.config, configs)
  if (whyNotConfigs !== null) return { error: 'INVALID_CONFIG', message: whyNotConfigs }
  return wanted.assignments.length > 0 ? whyNotAssignments(wanted) : whyNotCounts(wanted)
}

function whyNotCounts({ numPartitions, replicationFactor }: Wanted): Refusal | null {
  if (replicationFactor < -1 || replicationFactor === 0) {
    const message = 'Replication factor must be larger than 0, or -1 to use the default value.'
    return { error: 'INVALID_REPLICATION_FACTOR', message }
  }
  if (numPartitions < -1 || numPartitions === 0) {
    const message = 'Number of partitions was set to an invalid non-positive value.'
    return { error: 'INVALID_PARTITIONS', message }
  }
  return null
}

function whyNotAssignments(wanted: Wanted): Refusal | null {
  const { assignments, numPartitions, replicationFactor } = wanted
  const counted = replicationFactor !== -1 ? 'replication factor' : 'numPartitions'
  if (replicationFactor !== -1 || numPartitions !== -1) {
    const message = `A manual partition assignment was specified, but ${counted} was not set to -1.`
    return { error: 'INVALID_REQUEST', message }
  }
  const error = 'INVALID_REPLICA_ASSIGNMENT'
  const indexes = new Set<number>()
  for (const { partitionIndex, brokerIds } of assignments) {
    const manual = `the manual assignment of partition ${partitionIndex}`
    if (indexes.has(partitionIndex)) {
      const message = `Found multiple manual partition assignments for partition ${partitionIndex}`
      return { error, message }
    }
    indexes.add(partitionIndex)
    if (brokerIds.length === 0) return { error, message: `${manual} has an empty replica list` }
    if (new Set(brokerIds).size < brokerIds.length) {
      return { error, message: `${manual} names a broker more than once` }
    }
  }
  for (let index = 0; index < assignments.length; index++) {
    if (indexes.has(index)) continue
    return { error, message: 'partitions should be a consecutive 0-based integer sequence' }
  }
  return null
}

async function refused(name: string, { error, message }: Refusal): Promise<Answer> {
  return { name, errorCode: codeOf(error), errorMessage: message, configs: [] }
}

async function create(broker: Broker, wanted: Wanted, body: CreateTopicsRequest): Promise<Answer> {
  const { name, assignments } = wanted
  const configs: Record<string, string> = {}
  for (const config of wanted.configs) configs[config.name] = config.value ?? ''
  const ordered = [...assignments].sort((a, b) => a.partitionIndex - b.partitionIndex)
  const topic: NewTopic = {
    name,
    configs,
    partitions: partitionsOf(broker, wanted),
    wishes: ordered.map(({ brokerIds }) => brokerIds),
  }
  const creation = await createTopic(broker, topic, body)
  if (creation.error !== null) return refused(name, creation)
  return {
    name,
    // A topic that was only asked about has no id, but clients want one that is not zero.
    topicId: creation.topicId,
    errorCode: 0,
    errorMessage: null,
    topicConfigErrorCode: 0,
    numPartitions: topic.partitions,
    replicationFactor: 1,
    configs: configsOf(broker, configs),
  }
}

function configsOf(
  broker: Broker,
  own: Readonly<Record<string, string>>,
): NonNullable<Answer['configs']> {
  return [...TOPIC_CONFIGS.values()].map((definition) => {
    const { value, source } = effectiveValue(broker.config, own, definition)
    return {
      name: definition.name,
      value: shownValue(definition, value),
      readOnly: false,
      configSource: CONFIG_SOURCE[source],
      isSensitive: false,
    }
  })
}
