import { RejectedProposal } from '../../metadata/errors.ts'
import type { ImageState } from '../../metadata/image.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import { listOf } from '../config/config-definition.ts'
import { whyNotTopicConfigs } from '../config/topic-config.ts'
import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../protocol/messages/incremental-alter-configs.ts'
import { RESOURCE, whyNotThisBroker } from './config-resource.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'
import { changeMetadata } from './metadata-append.ts'
import { whyNotTopicName } from './topic-creation.ts'

type Resource = IncrementalAlterConfigsRequest['resources'][number]
type Alteration = Resource['configs'][number]

interface Outcome {
  readonly error: ErrorName | null
  readonly message: string | null
}

const DONE: Outcome = { error: null, message: null }

/** Kafka's numbers of operations (AlterConfigOp.OpType). */
const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const
const OPERATION_NAMES: readonly string[] = ['SET', 'DELETE', 'APPEND', 'SUBTRACT']

/** The longest value that clients can be told; by appending it could grow beyond. */
const VALUE_LENGTH_MAX = 32_767

/**
 * What tools set before they move partitions, and remove afterwards. Nothing is copied here, so
 * that no copy is ever too fast: setting them is granted and forgotten.
 */
const THROTTLES = new Set([
  'leader.replication.throttled.rate',
  'follower.replication.throttled.rate',
  'replica.alter.log.dirs.io.max.bytes.per.second',
])

/**
 * IncrementalAlterConfigs: v0-1 (KIP-339).
 *
 * Differs from Kafka: of a broker only the replication throttles can be set, and have no effect.
 * Loggers, client metrics and groups have no configs yet. The answer to a change of a topic comes
 * when it is in the metadata log.
 */
export const handleIncrementalAlterConfigs = answering(
  async (
    broker: Broker,
    body: IncrementalAlterConfigsRequest,
  ): Promise<IncrementalAlterConfigsResponse> => {
    const counts = new Map<string, number>()
    const keyOf = ({ resourceType, resourceName }: Resource) => `${resourceType} ${resourceName}`
    for (const each of body.resources) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1)
    const outcomes = body.resources.map((resource): Promise<Outcome> | Outcome => {
      if (counts.get(keyOf(resource)) !== 1) {
        return invalid('Each resource must appear at most once.')
      }
      return whyNotAlterations(resource) ?? alter(broker, resource, body.validateOnly)
    })
    const decided = await Promise.all(outcomes)
    return {
      responses: body.resources.map(({ resourceType, resourceName }, at) => ({
        errorCode: codeOf(decided[at]?.error ?? null),
        errorMessage: decided[at]?.message ?? null,
        resourceType,
        resourceName,
      })),
    }
  },
)

function invalid(message: string): Outcome {
  return { error: 'INVALID_REQUEST', message }
}

/** What is wrong with the wish itself. */
function whyNotAlterations({ configs }: Resource): Outcome | null {
  if (new Set(configs.map(({ name }) => name)).size < configs.length) {
    return invalid('Error due to duplicate config keys')
  }
  const unknown = configs.find(({ configOperation }) => !OPERATION_NAMES[configOperation])
  if (unknown !== undefined) return invalid(`Unknown operation ${unknown.configOperation}`)
  const nulls = configs.filter(({ configOperation, value }) => {
    return configOperation !== OPERATION.delete && value === null
  })
  if (nulls.length === 0) return null
  return invalid(`Null value not supported for : ${nulls.map(({ name }) => name).join(', ')}`)
}

function alter(
  broker: Broker,
  resource: Resource,
  validateOnly: boolean,
): Promise<Outcome> | Outcome {
  const { resourceType, resourceName } = resource
  switch (resourceType) {
    case RESOURCE.topic:
      return alterTopic(broker, resource, validateOnly)
    case RESOURCE.broker:
      return alterBroker(broker, resource)
    case RESOURCE.brokerLogger:
    case RESOURCE.clientMetrics:
    case RESOURCE.group:
      return invalid(`The configs of resource type ${resourceType} cannot be changed.`)
    default:
      return invalid(`Unknown resource type ${resourceType} of ${resourceName}`)
  }
}

function alterBroker(broker: Broker, { resourceName, configs }: Resource): Outcome {
  const why = resourceName === '' ? null : whyNotThisBroker(broker, resourceName)
  if (why !== null) return invalid(why)
  const fixed = configs.filter(({ name, configOperation }) => {
    return configOperation !== OPERATION.delete && !THROTTLES.has(name)
  })
  if (fixed.length === 0) return DONE
  return invalid(`Cannot update these configs dynamically: ${fixed.map(({ name }) => name).join()}`)
}

async function alterTopic(
  broker: Broker,
  { resourceName: name, configs }: Resource,
  validateOnly: boolean,
): Promise<Outcome> {
  if (name === '') return invalid('Default topic resources are not allowed.')
  const message = whyNotTopicName(name)
  if (message !== null) return { error: 'INVALID_TOPIC_EXCEPTION', message }
  const change = await changeMetadata(broker, (image) => {
    const records = topicRecords(broker, image, name, configs)
    return validateOnly ? null : records
  })
  return change.error === null ? DONE : change
}

function topicRecords(
  broker: Broker,
  image: ImageState,
  name: string,
  alterations: readonly Alteration[],
): MetadataRecord[] {
  const topic = findTopic(image, { name })
  if (topic === undefined) {
    const message = `The topic '${name}' does not exist.`
    throw new RejectedProposal('UNKNOWN_TOPIC_OR_PARTITION', message)
  }
  const after = new Map(Object.entries(topic.configs))
  for (const alteration of alterations) {
    const value = valueAfter(alteration, after.get(alteration.name))
    if (value === null) after.delete(alteration.name)
    else after.set(alteration.name, value)
    if (value === null || value.length <= VALUE_LENGTH_MAX) continue
    const message = `The value of ${alteration.name} is beyond ${VALUE_LENGTH_MAX} characters.`
    throw new RejectedProposal('INVALID_CONFIG', message)
  }
  const values = [...after].map(([key, value]) => ({ name: key, value }))
  const why = whyNotTopicConfigs(broker.config, values)
  if (why !== null) throw new RejectedProposal('INVALID_CONFIG', why)
  return alterations.flatMap(({ name: key }): MetadataRecord[] => {
    const value = after.get(key) ?? null
    const before = topic.configs[key] ?? null
    return value === before ? [] : [{ type: 'config', scope: 'topic', name, key, value }]
  })
}

/** What a setting of a topic is after the alteration; null: no longer set. */
function valueAfter(
  { name, configOperation, value }: Alteration,
  before: string | undefined,
): string | null {
  if (configOperation === OPERATION.delete || value === null) return null
  if (configOperation === OPERATION.set) return value
  const definition = TOPIC_CONFIGS.get(name)
  if (definition?.type !== 'list') {
    const operation = OPERATION_NAMES[configOperation]
    const message = `Can't ${operation} to key ${name} because its type is not LIST.`
    throw new RejectedProposal('INVALID_CONFIG', message)
  }
  const elements = listOf(before ?? definition.default)
  const named = listOf(value)
  if (configOperation === OPERATION.append) return [...new Set([...elements, ...named])].join(',')
  return elements.filter((element) => !named.includes(element)).join(',')
}
