import {
  array,
  field,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  message,
  string,
} from '../schema.ts'

/** v0: KIP-714, subscriptions to clients' metrics alone. v1: KIP-1142, all kinds of resources. */
export const listConfigResourcesRequest = message(
  { name: 'ListConfigResourcesRequest', key: 74, versions: [0, 1], flexibleFrom: 0 },
  {
    /** Empty: every kind. */
    resourceTypes: field(array(int8), { from: 1, default: [] }),
  },
)

export const listConfigResourcesResponse = message(
  { name: 'ListConfigResourcesResponse', key: 74, versions: [0, 1], flexibleFrom: 0 },
  {
    throttleTimeMs: field(int32, {}),
    errorCode: int16,
    configResources: array({
      resourceName: string,
      resourceType: field(int8, { from: 1, default: 16 }),
    }),
  },
)

export type ListConfigResourcesRequest = Infer<typeof listConfigResourcesRequest>
export type ListConfigResourcesResponse = Input<typeof listConfigResourcesResponse>
