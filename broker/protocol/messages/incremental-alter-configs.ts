import {
  array,
  bool,
  field,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/** KIP-339. v1: flexible. */
export const incrementalAlterConfigsRequest = message(
  { name: 'IncrementalAlterConfigsRequest', key: 44, versions: [0, 1], flexibleFrom: 1 },
  {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({ name: string, configOperation: int8, value: nullable(string) }),
    }),
    validateOnly: bool,
  },
)

export const incrementalAlterConfigsResponse = message(
  { name: 'IncrementalAlterConfigsResponse', key: 44, versions: [0, 1], flexibleFrom: 1 },
  {
    throttleTimeMs: field(int32, {}),
    responses: array({
      errorCode: int16,
      errorMessage: nullable(string),
      resourceType: int8,
      resourceName: string,
    }),
  },
)

export type IncrementalAlterConfigsRequest = Infer<typeof incrementalAlterConfigsRequest>
export type IncrementalAlterConfigsResponse = Input<typeof incrementalAlterConfigsResponse>
