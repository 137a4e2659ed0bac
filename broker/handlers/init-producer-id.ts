import type {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../protocol/messages/init-producer-id.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import { apis } from '../protocol/api-keys.ts'
import { answering, type Broker, codeOf, type Handler } from './context.ts'

/**
 * InitProducerId: v0-5.
 *
 * Differs from Kafka: a transactional id is refused until there are transactions. The refusal is
 * UNSUPPORTED_VERSION because no client takes it for a passing trouble: Java's initTransactions
 * throws at once, and says that the broker does not support this. The errors that speak of
 * coordinators are tried again until a time-out, those of authorization would send people looking
 * for ACLs.
 *
 * v3: KIP-360, an id and epoch to go on with; without a transactional id Kafka allots a fresh id
 * all the same. v4: PRODUCER_FENCED. v5: KIP-890. v6 is not advertised: Kafka has it behind
 * `unstable.api.versions.enable` and closes the connection of who asks for it without that.
 */
export const handleInitProducerId: Handler = (broker, request) => {
  const { version } = request
  if (version <= apis.initProducerId.advertised[1]) return answer(broker, request)
  const { name: api } = request.api
  broker.logger.info('a request has a version that is not advertised', { api, version })
  request.respondNothing()
  request.connection.close()
}

const answer = answering(
  async (broker: Broker, body: InitProducerIdRequest): Promise<InitProducerIdResponse> => {
    if ((body.producerId === -1) !== (body.producerEpoch === -1)) return refused('INVALID_REQUEST')
    if (body.transactionalId !== null) {
      const { transactionalId } = body
      broker.logger.warn('transactions are not supported yet: a producer is refused', {
        transactionalId,
      })
      return refused('UNSUPPORTED_VERSION')
    }
    try {
      const producerId = await broker.producerIds.allot()
      return { errorCode: 0, producerId, producerEpoch: 0 }
    } catch (error) {
      broker.logger.warn('no producer ids could be reserved', { error })
      // What Kafka says when it waits for a block of ids: producers try again.
      return refused('COORDINATOR_LOAD_IN_PROGRESS')
    }
  },
)

function refused(error: ErrorName): InitProducerIdResponse {
  return { errorCode: codeOf(error), producerId: -1, producerEpoch: -1 }
}
