import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
} from '../protocol/messages/alter-configs.ts'
import { changeConfigs } from './config-changes.ts'
import { OPERATION } from './config-wish.ts'
import { answering, type Broker } from './context.ts'

/**
 * AlterConfigs: v0-2 (KIP-133). What a client sends is all that is set of a resource afterwards; the
 * levels of loggers cannot be changed by it, as in Kafka.
 */
export const handleAlterConfigs = answering(
  async (broker: Broker, body: AlterConfigsRequest): Promise<AlterConfigsResponse> => {
    const wishes = body.resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      configs: configs.map((config) => ({ ...config, configOperation: OPERATION.set })),
      replaces: true,
    }))
    return { responses: await changeConfigs(broker, wishes, body.validateOnly) }
  },
)
