import type { NodeEntry, TopicEntry } from '../../metadata/image.ts'
import { documentationOf } from '../config/broker-config.ts'
import { BROKER_CONFIGS } from '../config/broker-config-table.ts'
import { type ConfigDefinition, type ConfigType, shownValue } from '../config/config-definition.ts'
import { effectiveValue } from '../config/topic-config.ts'
import { TOPIC_CONFIGS, type TopicConfigDefinition } from '../config/topic-config-table.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../protocol/messages/describe-configs.ts'
import { RESOURCE, whyNotThisBroker } from './config-resource.ts'
import { CONFIG_SOURCE } from './config-source.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'
import { whyNotTopicName } from './topic-creation.ts'

type Result = DescribeConfigsResponse['results'][number]
type Entry = Result['configs'][number]
type Synonym = Entry['synonyms'][number]
type Resource = DescribeConfigsRequest['resources'][number]

/** Kafka's numbers of types of values (DescribeConfigsResponse.ConfigType). */
const TYPE: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
}

/**
 * DescribeConfigs: v1-4.
 *
 * Differs from Kafka: a broker's configs are those it was started with, and cannot be changed;
 * loggers, client metrics and groups have none. Documentation says what a config does here, and is
 * given for brokers' configs only where they do something.
 *
 * v1: KIP-226, sources and synonyms. v3: KIP-569, types and documentation.
 */
export const handleDescribeConfigs = answering(
  (broker: Broker, body: DescribeConfigsRequest): DescribeConfigsResponse => ({
    results: body.resources.map((resource) => {
      const described = describe(broker, resource)
      const { resourceType, resourceName, configurationKeys: keys } = resource
      if ('error' in described) {
        const errorCode = codeOf(described.error)
        return {
          errorCode,
          errorMessage: described.message,
          resourceType,
          resourceName,
          configs: [],
        }
      }
      const wanted = keys === null || keys.length === 0 ? null : new Set(keys)
      const configs = described.configs
        .filter(({ name }) => wanted === null || wanted.has(name))
        .map((entry) => ({
          ...entry,
          synonyms: body.includeSynonyms ? entry.synonyms : [],
          documentation: body.includeDocumentation ? (entry.documentation ?? null) : null,
        }))
      return { errorCode: 0, errorMessage: null, resourceType, resourceName, configs }
    }),
  }),
)

type Described =
  | { readonly configs: readonly Entry[] }
  | { readonly error: ErrorName; readonly message: string | null }

function invalid(message: string): Described {
  return { error: 'INVALID_REQUEST', message }
}

function describe(broker: Broker, { resourceType, resourceName: name }: Resource): Described {
  switch (resourceType) {
    case RESOURCE.topic: {
      const message = whyNotTopicName(name)
      if (message !== null) return { error: 'INVALID_TOPIC_EXCEPTION', message }
      const topic = findTopic(broker.node.image, { name })
      if (topic === undefined) return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: null }
      return { configs: [...TOPIC_CONFIGS.values()].map((each) => topicEntry(broker, topic, each)) }
    }
    case RESOURCE.broker:
      return describeBroker(broker, name)
    case RESOURCE.brokerLogger: {
      const message = whyNotThisBroker(broker, name)
      if (name === '') return invalid('Broker id must not be empty')
      return message === null ? { configs: [] } : invalid(message)
    }
    case RESOURCE.clientMetrics:
      if (name === '') return invalid('Client metrics subscription name must not be empty')
      return { configs: [] }
    case RESOURCE.group:
      return name === '' ? invalid('Group name must not be empty') : { configs: [] }
    default:
      return invalid(`Unexpected resource type ${resourceType} for resource ${name}`)
  }
}

function topicEntry(broker: Broker, topic: TopicEntry, definition: TopicConfigDefinition): Entry {
  const { value, source } = effectiveValue(broker.config, topic.configs, definition)
  const shown = shownValue(definition, value)
  const synonyms: Synonym[] = []
  if (source === 'topic') {
    synonyms.push({ name: definition.name, value: shown, source: CONFIG_SOURCE.topic })
  }
  // Only what stands behind the most specific synonym is told of, as in Kafka.
  const [closest] = definition.synonyms
  const behind = closest === undefined ? undefined : BROKER_CONFIGS.get(closest.name)
  if (behind !== undefined) synonyms.push(...layers(broker.config.explicit, behind))
  return entryOf(definition, shown, {
    source: synonyms[0]?.source ?? CONFIG_SOURCE[source],
    readOnly: false,
    synonyms,
    documentation: definition.documentation,
  })
}

/** What a broker's config was set to, and what it would be otherwise. */
function layers(
  explicit: Readonly<Record<string, string>>,
  definition: ConfigDefinition,
): Synonym[] {
  const { name } = definition
  const isSensitive = definition.type === 'password'
  const found: Synonym[] = []
  const add = (value: string | null | undefined, source: number): void => {
    if (value == null) return
    found.push({ name, value: isSensitive ? null : shownValue(definition, value), source })
  }
  add(explicit[name], CONFIG_SOURCE.broker)
  add(definition.default, CONFIG_SOURCE.default)
  return found
}

function describeBroker(broker: Broker, name: string): Described {
  // Without a name the defaults of the whole cluster are meant, of which there are none yet.
  if (name === '') return { configs: [] }
  const message = whyNotThisBroker(broker, name)
  if (message !== null) return invalid(message)
  const { node, config } = broker
  const self = node.image.nodes.get(node.nodeId)
  const explicit = { ...config.explicit, ...(self === undefined ? {} : ownValues(self)) }
  const configs: Entry[] = []
  for (const definition of BROKER_CONFIGS.values()) {
    const synonyms = layers(explicit, definition)
    configs.push(
      entryOf(definition, synonyms[0]?.value ?? null, {
        source: synonyms[0]?.source ?? CONFIG_SOURCE.default,
        readOnly: true,
        synonyms,
        documentation: documentationOf(definition.name),
      }),
    )
  }
  return { configs }
}

/** Configs that follow from how the broker was started, under the names that tools look for. */
function ownValues({ nodeId, address, rack }: NodeEntry): Record<string, string> {
  const listener = `PLAINTEXT://${address.host}:${address.port}`
  return {
    'node.id': String(nodeId),
    'broker.id': String(nodeId),
    'process.roles': 'broker',
    'advertised.listeners': listener,
    listeners: listener,
    ...(rack !== null && { 'broker.rack': rack }),
  }
}

function entryOf(
  { name, type }: ConfigDefinition,
  value: string | null,
  more: { source: number; readOnly: boolean; synonyms: readonly Synonym[]; documentation: string },
): Entry {
  const { source, readOnly, synonyms, documentation } = more
  return {
    name,
    value,
    readOnly,
    configSource: source,
    isSensitive: type === 'password',
    synonyms,
    configType: TYPE[type],
    documentation,
  }
}
