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

/** KIP-133: all configs of a resource at once; those left out go back to their defaults. */
export const alterConfigsRequest = message(
  { name: 'AlterConfigsRequest', key: 33, versions: [0, 2], flexibleFrom: 2 },
  {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({ name: string, value: nullable(string) }),
    }),
    validateOnly: bool,
  },
)

export const alterConfigsResponse = message(
  { name: 'AlterConfigsResponse', key: 33, versions: [0, 2], flexibleFrom: 2 },
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

export type AlterConfigsRequest = Infer<typeof alterConfigsRequest>
export type AlterConfigsResponse = Input<typeof alterConfigsResponse>
