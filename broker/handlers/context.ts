import type { BufferPool } from '../../base/buffer-pool.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger, LogLevelSetting } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { Image, ImageState, TopicEntry } from '../../metadata/image.ts'
import { addressFor } from '../../metadata/records.ts'
import type { BrokerConfig } from '../config/broker-config.ts'
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts'
import type { Node } from '../node.ts'
import type { AnyApi } from '../protocol/api-keys.ts'
import { type ErrorName, errorCode } from '../protocol/error-codes.ts'
import type { RecordValidation } from '../protocol/judge-batch.ts'
import type { Request } from '../request.ts'
import type { FetchSessions } from './fetch-sessions.ts'

/** What handlers work with. */
export interface Broker {
  readonly node: Node
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** What the logger writes at least. */
  readonly logLevel: LogLevelSetting
  readonly pool: BufferPool
  readonly config: BrokerConfig
  /** How deep batches are looked into; where it is not said, VALIDATION_BY_DEFAULT. */
  readonly recordValidation?: RecordValidation
  readonly fetchSessions: FetchSessions
  readonly producerIds: { allot(): Promise<number> }
  readonly groups: GroupCoordinator
  /** The APIs that are served, for ApiVersions. */
  readonly served: readonly AnyApi[]
}

/** Answers one request, now or later, exactly once. */
export type Handler = (broker: Broker, request: Request) => void

/** A handler that computes its response, perhaps waiting for something. Faults end the connection. */
export function answering<Body, Response>(
  handle: (broker: Broker, body: Body, request: Request) => Response | Promise<Response>,
): Handler {
  const answer = async (broker: Broker, request: Request): Promise<void> => {
    request.respond(await handle(broker, request.body as Body, request))
  }
  return (broker, request) => {
    answer(broker, request).catch((error: unknown) => {
      // What one client asked for must not end the broker for all of them. With an answer already
      // there it is no longer about the request.
      if (request.pieces !== null) throw error
      broker.logger.error('a request failed', { api: request.api.name, error })
      request.respondNothing()
      request.connection.close()
    })
  }
}

/** A topic by name, or by id where the version has ids. */
export function findTopic(
  image: ImageState,
  topic: { readonly name?: string; readonly topicId?: string },
): TopicEntry | undefined {
  const byId = topic.topicId !== undefined && topic.topicId !== ZERO_UUID
  const topicId = byId ? topic.topicId : image.topicIds.get(topic.name ?? '')
  return topicId === undefined ? undefined : image.topics.get(topicId)
}

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** An endpoint of a broker, as KIP-951 adds it to errors. */
export interface NodeEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

/** Where clients of this listener reach a node; null where they cannot. */
export function endpointOf(image: Image, nodeId: number, listener: string): NodeEndpoint | null {
  const node = image.nodes.get(nodeId)
  if (node === undefined || node.state === 'sealed') return null
  const found = addressFor(node.address, listener)
  return found && { nodeId, host: found.host, port: found.port, rack: node.rack }
}

/** The numeric code of an error by Kafka's name; 0 for null. */
export function codeOf(name: ErrorName | null): number {
  return name === null ? 0 : errorCode[name]
}
