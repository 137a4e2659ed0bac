import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import type { TestBroker } from './harness.ts'

/** Kafka's numbers of kinds of resources, as clients send them. */
export const RESOURCE_TYPE = { topic: 2, broker: 4, logger: 8, metrics: 16, group: 32 } as const

/** Kafka's numbers of what may be done to a config. */
export const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3] as const

export type Alteration = readonly [operation: number, name: string, value?: string | null]

/** Ways to ask a broker of a test for configs, and to change them. */
export function configClient(client: () => TestBroker) {
  async function describeConfigs(
    resourceType: number,
    resourceName: string,
    configurationKeys: readonly string[] | null = null,
    version = 4,
  ) {
    const { results } = await client().call(apis.describeConfigs, version, {
      resources: [{ resourceType, resourceName, configurationKeys }],
      includeSynonyms: true,
      includeDocumentation: true,
    })
    const [result] = results
    if (result === undefined) throw new Error('the response says nothing')
    return { ...result, error: errorName(result.errorCode) }
  }

  async function alter(
    resourceType: number,
    resourceName: string,
    alterations: readonly Alteration[],
    validateOnly = false,
  ): Promise<string> {
    const configs = alterations.map(([configOperation, name, value]) => {
      return { name, configOperation, value: value ?? null }
    })
    const { responses } = await client().call(apis.incrementalAlterConfigs, 1, {
      resources: [{ resourceType, resourceName, configs }],
      validateOnly,
    })
    return errorName(responses[0]?.errorCode ?? 0)
  }

  /** One entry of a resource, or undefined where it has none of that name. */
  async function told(resourceType: number, resourceName: string, name: string) {
    const { configs } = await describeConfigs(resourceType, resourceName)
    return configs.find((config) => config.name === name)
  }

  return { describeConfigs, alter, told }
}
