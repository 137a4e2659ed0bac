import type { TopicEntry } from '../../metadata/image.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { MetadataRequest, MetadataResponse } from '../protocol/messages/metadata.ts'
import type { Request } from '../request.ts'
import { CLUSTER_OPERATIONS, TOPIC_OPERATIONS } from './authorized-operations.ts'
import { answering, type Broker, codeOf, ZERO_UUID } from './context.ts'
import { controllerIdFor } from './controller-id.ts'
import { internalTopic } from './internal-topics.ts'
import { createTopic, whyNotTopicName } from './topic-creation.ts'
import { isInternalTopic } from './topic-names.ts'

type TopicAnswer = MetadataResponse['topics'][number]

/**
 * Metadata: v0-13.
 *
 * Differs from Kafka: the owner of a partition is its leader, its only replica and its whole ISR,
 * whatever replication factor was asked for, since the copies are the bucket's business. While a
 * partition moves it names the next owner: no partition is ever leaderless.
 *
 * v4: auto creation can be refused. v8: KIP-430, what is authorized, which is everything as yet.
 * v10: topic ids (v12: asking by id). v13: a top-level error.
 */
export const handleMetadata = answering(
  async (broker: Broker, body: MetadataRequest, request: Request): Promise<MetadataResponse> => {
    const { image } = broker.node
    const isAll = body.topics === null || (request.version === 0 && body.topics.length === 0)
    const topics: TopicAnswer[] = []
    if (isAll) for (const topic of image.topics.values()) topics.push(describe(topic))
    else {
      for (const { name, topicId } of body.topics ?? []) {
        if (topicId !== undefined && topicId !== ZERO_UUID)
          topics.push(describeById(broker, topicId))
        else topics.push(await describeByName(broker, name ?? '', body.allowAutoTopicCreation))
      }
    }
    return {
      throttleTimeMs: 0,
      brokers: livingBrokers(broker),
      clusterId: image.scalars.clusterId,
      controllerId: controllerIdFor(broker),
      topics: body.includeTopicAuthorizedOperations ? topics.map(withOperations) : topics,
      ...(body.includeClusterAuthorizedOperations && {
        clusterAuthorizedOperations: CLUSTER_OPERATIONS,
      }),
      errorCode: 0,
    }
  },
)

function withOperations(topic: TopicAnswer): TopicAnswer {
  return topic.errorCode === 0 ? { ...topic, topicAuthorizedOperations: TOPIC_OPERATIONS } : topic
}

/** Every node that clients may talk to. */
function livingBrokers(broker: Broker): MetadataResponse['brokers'] {
  const brokers = []
  for (const { nodeId, state, address, rack } of broker.node.image.nodes.values()) {
    if (state === 'sealed') continue
    brokers.push({ nodeId, host: address.host, port: address.port, rack })
  }
  return brokers
}

function describe(topic: TopicEntry): TopicAnswer {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map(({ nodeId, leaderEpoch }, partitionIndex) => ({
      errorCode: 0,
      partitionIndex,
      leaderId: nodeId,
      leaderEpoch,
      replicaNodes: [nodeId],
      isrNodes: [nodeId],
      offlineReplicas: [],
    })),
  }
}

function refused(error: ErrorName, name: string | null, topicId = ZERO_UUID): TopicAnswer {
  return { errorCode: codeOf(error), name, topicId, isInternal: false, partitions: [] }
}

function describeById(broker: Broker, topicId: string): TopicAnswer {
  const topic = broker.node.image.topics.get(topicId)
  return topic === undefined ? refused('UNKNOWN_TOPIC_ID', null, topicId) : describe(topic)
}

async function describeByName(
  broker: Broker,
  name: string,
  mayCreate: boolean,
): Promise<TopicAnswer> {
  const find = (): TopicEntry | undefined => {
    const { image } = broker.node
    return image.topics.get(image.topicIds.get(name) ?? '')
  }
  const known = find()
  if (known !== undefined) return describe(known)
  if (whyNotTopicName(name) !== null) return refused('INVALID_TOPIC_EXCEPTION', name)
  if (!mayCreate || broker.config.get('auto.create.topics.enable') !== 'true') {
    return refused('UNKNOWN_TOPIC_OR_PARTITION', name)
  }
  const partitions = broker.config.number('num.partitions')
  await createTopic(broker, internalTopic(broker, name) ?? { name, partitions, configs: {} })
  const created = find()
  return created === undefined ? refused('LEADER_NOT_AVAILABLE', name) : describe(created)
}
