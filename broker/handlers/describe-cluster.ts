import { addressFor } from '../../metadata/records.ts'
import type {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../protocol/messages/describe-cluster.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Request } from '../request.ts'
import { CLUSTER_OPERATIONS } from './authorized-operations.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { controllerIdFor } from './controller-id.ts'
import { replacedNodes } from './replaced-nodes.ts'

const endpointType = { brokers: 1, controllers: 2 } as const

/**
 * DescribeCluster: v0-2.
 *
 * Differs from Kafka: any broker does what a controller is asked for; see controller-id.ts. There
 * are no controllers with endpoints of their own. A node that is sealed, but has data in use, is
 * what comes next to a fenced broker.
 *
 * v1: KIP-919, brokers or controllers. v2: KIP-1073, fenced brokers.
 */
export const handleDescribeCluster = answering(
  (broker: Broker, body: DescribeClusterRequest, request: Request): DescribeClusterResponse => {
    const { image } = broker.node
    const clusterId = image.scalars.clusterId ?? ''
    if (body.endpointType !== endpointType.brokers) {
      const { error, errorMessage } = refusalOf(body.endpointType, request.version)
      return { errorCode: codeOf(error), errorMessage, clusterId, brokers: [] }
    }
    const replaced = replacedNodes(image, request.connection.listener)
    const brokers = []
    for (const node of image.nodes.values()) {
      const isFenced = node.state === 'sealed' || replaced.has(node.nodeId)
      if (isFenced && !body.includeFencedBrokers) continue
      const address = addressFor(node.address, request.connection.listener)
      if (address === null) continue
      const { host, port } = address
      brokers.push({ brokerId: node.nodeId, host, port, rack: node.rack, isFenced })
    }
    return {
      errorCode: 0,
      clusterId,
      controllerId: controllerIdFor(broker, request.connection.listener),
      brokers,
      ...(body.includeClusterAuthorizedOperations && {
        clusterAuthorizedOperations: CLUSTER_OPERATIONS,
      }),
    }
  },
)

function refusalOf(type: number, version: number): { error: ErrorName; errorMessage: string } {
  if (type !== endpointType.controllers) {
    const error = version === 0 ? 'INVALID_REQUEST' : 'UNSUPPORTED_ENDPOINT_TYPE'
    return { error, errorMessage: `Unsupported endpoint type ${type}` }
  }
  return {
    error: 'MISMATCHED_ENDPOINT_TYPE',
    errorMessage: 'this is an endpoint of brokers, not of controllers',
  }
}
