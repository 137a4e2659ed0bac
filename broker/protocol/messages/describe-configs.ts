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

/** v1: KIP-226 synonyms. v3: KIP-569 types and documentation. v4: flexible. */
export const describeConfigsRequest = message(
  { name: 'DescribeConfigsRequest', key: 32, versions: [1, 4], flexibleFrom: 4 },
  {
    resources: array({
      resourceType: int8,
      resourceName: string,
      /** Null asks for all. */
      configurationKeys: nullable(array(string)),
    }),
    includeSynonyms: field(bool, { default: false }),
    includeDocumentation: field(bool, { from: 3, default: false }),
  },
)

export const describeConfigsResponse = message(
  { name: 'DescribeConfigsResponse', key: 32, versions: [1, 4], flexibleFrom: 4 },
  {
    throttleTimeMs: field(int32, {}),
    results: array({
      errorCode: int16,
      errorMessage: nullable(string),
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: nullable(string),
        readOnly: bool,
        configSource: field(int8, { default: -1 }),
        isSensitive: bool,
        synonyms: array({ name: string, value: nullable(string), source: int8 }),
        configType: field(int8, { from: 3, default: 0 }),
        documentation: field(nullable(string), { from: 3 }),
      }),
    }),
  },
)

export type DescribeConfigsRequest = Infer<typeof describeConfigsRequest>
export type DescribeConfigsResponse = Input<typeof describeConfigsResponse>
