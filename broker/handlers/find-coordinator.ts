import type { ErrorName } from '../protocol/error-codes.ts'
import type {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../protocol/messages/find-coordinator.ts'
import type { Request } from '../request.ts'
import { answering, type Broker, codeOf, endpointOf } from './context.ts'
import { ownershipFor } from './group-shard.ts'
import { offsetsTopicMade } from './internal-topics.ts'

type Found = NonNullable<FindCoordinatorResponse['coordinators']>[number]

const KEY_TYPE = { group: 0, transaction: 1, share: 2 } as const
const FIRST_VERSION_OF_BATCHES = 4

/**
 * FindCoordinator: v0-6.
 *
 * Differs from Kafka: transactions have no coordinator yet. The answer to that is
 * UNSUPPORTED_VERSION, which ends a transactional producer at once; other errors would be tried
 * again for ever. Share groups are refused as in a Kafka that does not have them.
 *
 * v4: KIP-699, several keys. v6: KIP-932, share groups.
 */
export const handleFindCoordinator = answering(
  async (
    broker: Broker,
    body: FindCoordinatorRequest,
    request: Request,
  ): Promise<FindCoordinatorResponse> => {
    const isBatch = request.version >= FIRST_VERSION_OF_BATCHES
    const keys = isBatch ? body.coordinatorKeys : [body.key]
    const coordinators: Found[] = []
    for (const key of keys) coordinators.push(await find(broker, request, body.keyType, key))
    if (isBatch) return { coordinators }
    return { ...coordinators[0] }
  },
)

async function find(
  broker: Broker,
  { connection }: Request,
  keyType: number,
  key: string,
): Promise<Found> {
  switch (keyType) {
    case KEY_TYPE.group:
      return findForGroup(broker, key, connection.listener)
    case KEY_TYPE.transaction:
      return refused(key, 'UNSUPPORTED_VERSION', 'transactions are not supported by this release')
    case KEY_TYPE.share:
      return refused(key, 'INVALID_REQUEST', 'share groups are not supported by this release')
    default:
      return refused(key, 'INVALID_REQUEST', `there is no coordinator of type ${keyType}`)
  }
}

async function findForGroup(broker: Broker, key: string, listener: string): Promise<Found> {
  const topic = await offsetsTopicMade(broker)
  const ownership = topic && ownershipFor(topic, key)
  const endpoint = ownership && endpointOf(broker.node.image, ownership.nodeId, listener)
  if (!endpoint) return refused(key, 'COORDINATOR_NOT_AVAILABLE', 'there is no coordinator now')
  const { nodeId, host, port } = endpoint
  return { key, nodeId, host, port, errorCode: 0, errorMessage: null }
}

function refused(key: string, error: ErrorName, errorMessage: string): Found {
  return { key, nodeId: -1, host: '', port: -1, errorCode: codeOf(error), errorMessage }
}
