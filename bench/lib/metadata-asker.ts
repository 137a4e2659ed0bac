import { BufferPool } from '../../base/buffer-pool.ts'
import { silentLogger } from '../../base/log.ts'
import { BrokerConfig } from '../../broker/config/broker-config.ts'
import type { Broker } from '../../broker/handlers/context.ts'
import { handleMetadata } from '../../broker/handlers/metadata.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { Request } from '../../broker/request.ts'
import type { MetadataLog } from '../../metadata/log.ts'

/** The newest version that Java clients ask for. */
const VERSION = 13

/** Asks the handler of Metadata, without a socket, as a broker that has read this log. */
export function metadataAsker(
  log: MetadataLog,
): (topics: readonly string[] | null) => Promise<number> {
  const node = { nodeId: 1, log, image: log.image }
  const broker = {
    ...{ node, config: new BrokerConfig({}), logger: silentLogger },
  } as unknown as Broker
  const pool = new BufferPool(0)
  const channel = {
    ...{ listener: 'default', remoteAddress: '127.0.0.1', isClosed: false },
    ...{ nowMs: () => performance.now(), answered() {}, close() {} },
  }
  return (topics) => {
    const body = {
      topics: topics?.map((name) => ({ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' })) ?? null,
      ...{ allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false },
    }
    const header = { api: apis.metadata, version: VERSION, correlationId: 1, clientId: 'bench' }
    const request = new Request(channel, header, body, pool.take(64))
    return new Promise((resolve) => {
      request.onAnswered = ({ piecesBytes }) => resolve(piecesBytes)
      handleMetadata(broker, request)
    })
  }
}
