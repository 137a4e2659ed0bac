import type { TopicEntry } from '../../metadata/image.ts'
import { addressFor } from '../../metadata/records.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { MetadataRequest, MetadataResponse } from '../protocol/messages/metadata.ts'
import type { Request } from '../request.ts'
import { CLUSTER_OPERATIONS, TOPIC_OPERATIONS } from './authorized-operations.ts'
import { answering, type Broker, codeOf, ZERO_UUID } from './context.ts'
import { controllerIdFor } from './controller-id.ts'
import { internalTopic } from './internal-topics.ts'
import { LeaderReach } from './leader-reach.ts'
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
 * A client hears of the listener that it came to; a broker without one of that name is left out.
 *
 * v4: auto creation can be refused. v6: a leader without the listener has an error of its own. v8: KIP-430, what is authorized, which is everything as yet.
 * v10: topic ids (v12: asking by id). v13: a top-level error.
 */
export const handleMetadata = answering(
  async (broker: Broker, body: MetadataRequest, request: Request): Promise<MetadataResponse> => {
    const { image } = broker.node
    const isAll = body.topics === null || (request.version === 0 && body.topics.length === 0)
    const found: (TopicEntry | TopicAnswer)[] = isAll ? [...image.topics.values()] : []
    for (const { name, topicId } of isAll ? [] : (body.topics ?? [])) {
      const isById = topicId !== undefined && topicId !== ZERO_UUID
      // v10 and v11 have the fields of asking by id, but cannot answer it: a name may not be null.
      if (request.version < 12 && (isById || name === null)) {
        found.push(refused('INVALID_REQUEST', name ?? '', topicId))
      } else if (isById) found.push(findById(broker, topicId))
      else found.push(await findByName(broker, name ?? '', body.allowAutoTopicCreation))
    }
    const { listener } = request.connection
    // After all waiting: nodes may have come meanwhile, and own what was created.
    const leaders = new LeaderReach(image, listener, request.version)
    const topics = found.map((each) => ('errorCode' in each ? each : describe(each, leaders)))
    return {
      throttleTimeMs: 0,
      brokers: livingBrokers(broker, listener, leaders),
      clusterId: image.scalars.clusterId,
      controllerId: controllerIdFor(broker, listener),
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

/** Every node that clients of the listener may talk to. */
function livingBrokers(
  broker: Broker,
  listener: string,
  { replaced }: LeaderReach,
): MetadataResponse['brokers'] {
  const { image } = broker.node
  const brokers = []
  for (const { nodeId, state, address, rack } of image.nodes.values()) {
    const isGone = state === 'sealed' || replaced.has(nodeId)
    const reached = isGone ? null : addressFor(address, listener)
    if (reached !== null) brokers.push({ nodeId, host: reached.host, port: reached.port, rack })
  }
  return brokers
}

function describe(topic: TopicEntry, leaders: LeaderReach): TopicAnswer {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    // Made when they are encoded, topic by topic: all at once are a million objects in memory.
    get partitions() {
      return partitionsOf(topic, leaders)
    },
  }
}

function partitionsOf(topic: TopicEntry, leaders: LeaderReach): TopicAnswer['partitions'] {
  return topic.partitions.map(({ nodeId, leaderEpoch }, partitionIndex) => {
    const { errorCode, leaderId, offlineReplicas, replicaNodes } = leaders.of(nodeId)
    return {
      errorCode,
      partitionIndex,
      leaderId,
      leaderEpoch,
      replicaNodes,
      isrNodes: replicaNodes,
      offlineReplicas,
    }
  })
}

function refused(error: ErrorName, name: string | null, topicId = ZERO_UUID): TopicAnswer {
  return { errorCode: codeOf(error), name, topicId, isInternal: false, partitions: [] }
}

function findById(broker: Broker, topicId: string): TopicEntry | TopicAnswer {
  return broker.node.image.topics.get(topicId) ?? refused('UNKNOWN_TOPIC_ID', null, topicId)
}

async function findByName(
  broker: Broker,
  name: string,
  mayCreate: boolean,
): Promise<TopicEntry | TopicAnswer> {
  const find = (): TopicEntry | undefined => {
    const { image } = broker.node
    return image.topics.get(image.topicIds.get(name) ?? '')
  }
  const known = find()
  if (known !== undefined) return known
  if (whyNotTopicName(name) !== null) return refused('INVALID_TOPIC_EXCEPTION', name)
  if (!mayCreate || broker.config.get('auto.create.topics.enable') !== 'true') {
    return refused('UNKNOWN_TOPIC_OR_PARTITION', name)
  }
  const partitions = broker.config.number('num.partitions')
  await createTopic(broker, internalTopic(broker, name) ?? { name, partitions, configs: {} })
  return find() ?? refused('LEADER_NOT_AVAILABLE', name)
}
