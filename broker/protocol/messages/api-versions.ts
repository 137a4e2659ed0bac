import {
  array,
  bool,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  int64,
  message,
  string,
  tagged,
} from '../schema.ts'

/** v3: flexible, client software (KIP-511). v4: features with a minimum of 0 (KAFKA-17011). */
export const apiVersionsRequest = message(
  { name: 'ApiVersionsRequest', key: 18, versions: [0, 4], flexibleFrom: 3 },
  {
    clientSoftwareName: field(string, { from: 3 }),
    clientSoftwareVersion: field(string, { from: 3 }),
  },
)

/** The header before it is always v0: a client cannot know yet which version it will get. */
export const apiVersionsResponse = message(
  { name: 'ApiVersionsResponse', key: 18, versions: [0, 4], flexibleFrom: 3 },
  {
    errorCode: int16,
    apiKeys: array({ apiKey: int16, minVersion: int16, maxVersion: int16 }),
    throttleTimeMs: field(int32, { from: 1 }),
    supportedFeatures: tagged(0, array({ name: string, minVersion: int16, maxVersion: int16 }), {
      from: 3,
    }),
    finalizedFeaturesEpoch: tagged(1, int64, { from: 3, default: -1 }),
    finalizedFeatures: tagged(
      2,
      array({ name: string, maxVersionLevel: int16, minVersionLevel: int16 }),
      { from: 3 },
    ),
    zkMigrationReady: tagged(3, bool, { from: 3, default: false }),
  },
)

export type ApiVersionsRequest = Infer<typeof apiVersionsRequest>
export type ApiVersionsResponse = Input<typeof apiVersionsResponse>
