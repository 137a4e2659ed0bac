import type { Image } from '../../metadata/image.ts'
import { resourcesOf } from '../config/stored-configs.ts'
import type {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../protocol/messages/list-config-resources.ts'
import type { Request } from '../request.ts'
import { RESOURCE } from './config-resource.ts'
import { answering, type Broker, codeOf } from './context.ts'

/**
 * ListConfigResources: v0-1.
 *
 * Of groups and of subscriptions those are listed that have configs, of topics and brokers all.
 *
 * v0: KIP-714, subscriptions alone. v1: KIP-1142, all kinds.
 */
export const handleListConfigResources = answering(
  (
    broker: Broker,
    body: ListConfigResourcesRequest,
    request: Request,
  ): ListConfigResourcesResponse => {
    const all: number[] = request.version === 0 ? [RESOURCE.clientMetrics] : KINDS
    const types = new Set(body.resourceTypes.length === 0 ? all : body.resourceTypes)
    if ([...types].some((type) => !all.includes(type))) {
      return { errorCode: codeOf('UNSUPPORTED_VERSION'), configResources: [] }
    }
    const configResources = all
      .filter((type) => types.has(type))
      .flatMap((resourceType) => {
        const names = namesOf(broker.node.image, resourceType)
        return names.map((resourceName) => ({ resourceName, resourceType }))
      })
    return { errorCode: 0, configResources }
  },
)

/** In the order in which Kafka lists them. */
const KINDS: number[] = [
  RESOURCE.group,
  RESOURCE.clientMetrics,
  RESOURCE.brokerLogger,
  RESOURCE.broker,
  RESOURCE.topic,
]

function namesOf(image: Image, resourceType: number): string[] {
  switch (resourceType) {
    case RESOURCE.topic:
      return [...image.topicIds.keys()]
    case RESOURCE.group:
      return resourcesOf(image.configs, 'group')
    case RESOURCE.clientMetrics:
      return resourcesOf(image.configs, 'client-metrics')
    default: {
      const nodes = [...image.nodes.values()].filter(({ state }) => state !== 'sealed')
      return nodes.map(({ nodeId }) => String(nodeId))
    }
  }
}
