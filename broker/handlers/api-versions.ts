import type { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/api-versions.ts'
import { answering, type Broker, codeOf } from './context.ts'

/**
 * metadata.version 4.3-IV0: what clients find in a fresh cluster of Kafka 4.3.1 (its own
 * MetadataVersion.latestProduction; a test asks it). Clients and tools compare levels only.
 */
const METADATA_VERSION = { name: 'metadata.version', min: 7, level: 30 }

/**
 * ApiVersions: v0-4.
 *
 * Only what is served is named. Features with a minimum of 0 need v4 (KAFKA-17011); ours has 7.
 * Only `metadata.version` is finalized: others would make clients use protocols that do not exist
 * here yet. v3: KIP-511, a request that is newer than we are gets error 35 and our ranges.
 */
export const handleApiVersions = answering(
  (broker: Broker, body: ApiVersionsRequest | null): ApiVersionsResponse => ({
    errorCode: codeOf(body === null ? 'UNSUPPORTED_VERSION' : null),
    apiKeys: broker.served.map(({ key, advertised: [minVersion, maxVersion] }) => ({
      apiKey: key,
      minVersion,
      maxVersion,
    })),
    throttleTimeMs: 0,
    supportedFeatures: [
      {
        name: METADATA_VERSION.name,
        minVersion: METADATA_VERSION.min,
        maxVersion: METADATA_VERSION.level,
      },
    ],
    finalizedFeaturesEpoch: broker.node.log.seq,
    finalizedFeatures: [
      {
        name: METADATA_VERSION.name,
        maxVersionLevel: METADATA_VERSION.level,
        minVersionLevel: METADATA_VERSION.level,
      },
    ],
  }),
)
