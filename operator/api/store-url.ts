import type { StorageSpec } from './storage-spec.ts'

/** `spec.storage.s3` as brokers take it (STREAMCLUSTER_STORE), without credentials. */
export function s3Url(s3: NonNullable<StorageSpec['s3']>): string {
  const prefix = s3.prefix?.replace(/\/$/, '') ?? ''
  const parameters = new URLSearchParams()
  if (s3.endpoint !== undefined) parameters.set('endpoint', s3.endpoint)
  if (s3.region !== undefined) parameters.set('region', s3.region)
  if (s3.pathStyle !== undefined) parameters.set('pathStyle', String(s3.pathStyle))
  const query = parameters.size === 0 ? '' : `?${parameters}`
  return `s3://${s3.bucket}${prefix === '' ? '' : `/${prefix}`}${query}`
}
