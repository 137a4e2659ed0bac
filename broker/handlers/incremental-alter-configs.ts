import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../protocol/messages/incremental-alter-configs.ts'
import { changeConfigs } from './config-changes.ts'
import { answering, type Broker } from './context.ts'

/**
 * IncrementalAlterConfigs: v0-1 (KIP-339).
 *
 * Differs from Kafka: the answer to a change comes when it is in the metadata log. Elements of lists
 * are compared without the spaces around them. docs/configs.md says what takes effect.
 */
export const handleIncrementalAlterConfigs = answering(
  async (
    broker: Broker,
    body: IncrementalAlterConfigsRequest,
  ): Promise<IncrementalAlterConfigsResponse> => {
    const wishes = body.resources.map((resource) => ({ ...resource, replaces: false }))
    return { responses: await changeConfigs(broker, wishes, body.validateOnly) }
  },
)
