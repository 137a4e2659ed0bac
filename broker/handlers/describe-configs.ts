import type { NodeEntry } from '../../metadata/image.ts'
import type { NodeListener } from '../../metadata/records.ts'
import { dynamicConfigs } from '../config/broker-config.ts'
import { BROKER_CONFIGS } from '../config/broker-config-table.ts'
import { CLIENT_METRICS_CONFIGS, clientMetricsConfigs } from '../config/client-metrics-config.ts'
import { groupConfigs } from '../config/group-config.ts'
import { GROUP_CONFIGS } from '../config/group-config-table.ts'
import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../protocol/messages/describe-configs.ts'
import { RESOURCE, whyNotThisBroker } from './config-resource.ts'
import { answering, type Broker, codeOf, findTopic } from './context.ts'
import {
  brokerEntry,
  clientMetricsEntry,
  clusterEntry,
  type Entry,
  groupEntry,
  loggerEntry,
  topicEntry,
} from './described-config.ts'
import { ROOT_LOGGER } from './log-levels.ts'
import { whyNotTopicName } from './topic-creation.ts'

type Resource = DescribeConfigsRequest['resources'][number]

/**
 * DescribeConfigs: v1-4.
 *
 * Differs from Kafka: documentation says what a config does here. There is one logger.
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
      return {
        configs: describeAll(TOPIC_CONFIGS, (each) =>
          topicEntry(broker.config, topic.configs, each),
        ),
      }
    }
    case RESOURCE.broker:
      return describeBroker(broker, name)
    case RESOURCE.brokerLogger: {
      const message = whyNotThisBroker(broker, name)
      if (name === '') return invalid('Broker id must not be empty')
      if (message !== null) return invalid(message)
      return { configs: [loggerEntry(ROOT_LOGGER, broker.logLevel.current.toUpperCase())] }
    }
    case RESOURCE.clientMetrics: {
      if (name === '') return invalid('Client metrics subscription name must not be empty')
      const own = clientMetricsConfigs(broker.node.image.configs, name)
      return {
        configs: describeAll(CLIENT_METRICS_CONFIGS, (each) => clientMetricsEntry(own, each)),
      }
    }
    case RESOURCE.group: {
      if (name === '') return invalid('Group name must not be empty')
      const own = groupConfigs(broker.node.image.configs, name)
      return { configs: describeAll(GROUP_CONFIGS, (each) => groupEntry(broker.config, own, each)) }
    }
    default:
      return invalid(`Unexpected resource type ${resourceType} for resource ${name}`)
  }
}

function describeAll<D>(
  definitions: ReadonlyMap<string, D>,
  entryOf: (definition: D) => Entry,
): Entry[] {
  return [...definitions.values()].map(entryOf)
}

function describeBroker(broker: Broker, name: string): Described {
  const { node } = broker
  // Without a name what is set of the whole cluster is meant.
  if (name === '') {
    const set = Object.entries(dynamicConfigs(node.image.configs, ''))
    return { configs: set.map(([each, value]) => clusterEntry(each, value)) }
  }
  const message = whyNotThisBroker(broker, name)
  if (message !== null) return invalid(message)
  const self = node.image.nodes.get(node.nodeId)
  const config = broker.config.startedWith(self === undefined ? {} : ownValues(self))
  const names = new Set([...BROKER_CONFIGS.keys(), ...config.names()])
  return { configs: [...names].map((each) => brokerEntry(config, each)) }
}

/** Kafka's names of what a listener speaks. */
const PROTOCOL: Readonly<Record<NodeListener['security'], string>> = {
  plaintext: 'PLAINTEXT',
  tls: 'SSL',
}

/** Configs that follow from how the broker was started, under the names that tools look for. */
function ownValues({ nodeId, address, rack }: NodeEntry): Record<string, string> {
  const { host, port } = address
  const all = address.listeners ?? [
    { name: 'PLAINTEXT', host, port, security: 'plaintext' as const },
  ]
  const named = all.map((each) => ({ ...each, name: each.name.toUpperCase() }))
  const listeners = named.map((each) => `${each.name}://${each.host}:${each.port}`).join(',')
  const protocols = named.map(({ name, security }) => `${name}:${PROTOCOL[security]}`).join(',')
  return {
    'node.id': String(nodeId),
    'broker.id': String(nodeId),
    'process.roles': 'broker',
    'advertised.listeners': listeners,
    listeners,
    'listener.security.protocol.map': protocols,
    ...(rack !== null && { 'broker.rack': rack }),
  }
}
