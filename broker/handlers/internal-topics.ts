import { OFFSETS_TOPIC } from '../coordinator/group-coordinator.ts'
import type { TopicEntry } from '../../metadata/image.ts'
import { type Broker, findTopic } from './context.ts'
import { createTopic, type NewTopic } from './topic-creation.ts'

/** How a topic that brokers use themselves is created, or null for a user's topic. */
export function internalTopic(broker: Broker, name: string): NewTopic | null {
  if (name !== OFFSETS_TOPIC) return null
  return {
    name,
    partitions: broker.config.number('offsets.topic.num.partitions'),
    configs: {
      'cleanup.policy': 'compact',
      'compression.type': 'producer',
      'segment.bytes': broker.config.get('offsets.topic.segment.bytes'),
    },
  }
}

/** The topic of committed offsets, created if it is not there; undefined: not now. */
export async function offsetsTopicMade(broker: Broker): Promise<TopicEntry | undefined> {
  const known = findTopic(broker.node.image, { name: OFFSETS_TOPIC })
  const wanted = internalTopic(broker, OFFSETS_TOPIC)
  if (known !== undefined || wanted === null) return known
  const creation = await createTopic(broker, wanted)
  if (creation.error !== null && creation.error !== 'TOPIC_ALREADY_EXISTS') {
    broker.logger.warn('the topic of committed offsets cannot be created', { ...creation })
  }
  return findTopic(broker.node.image, { name: OFFSETS_TOPIC })
}
