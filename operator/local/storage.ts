import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { s3Url } from '../api/store-url.ts'
import type { StreamCluster } from '../api/stream-cluster.ts'

/** Where a local run keeps what. All paths are absolute. */
export interface LocalStorage {
  /** For brokers (STREAMCLUSTER_STORE). */
  readonly storeUrl: string
  /** For people. */
  readonly description: string
  readonly logFolder: string
  readonly lockFolder: string
}

export type LocalStorageResult =
  | { readonly ok: true; readonly storage: LocalStorage }
  | { readonly ok: false; readonly message: string }

/**
 * What `spec.storage` means on this machine. A folder holds the objects in `bucket/`, apart from
 * logs and lock, so that `bucket/` is the cluster and nothing else and can be copied as it is.
 * `data`, if given, takes the place of the volume's path, or of the whole storage where it is a URL
 * such as s3://bucket/prefix.
 */
export function localStorageOf(
  cluster: StreamCluster,
  options: { readonly data: string | null; readonly workingFolder: string },
): LocalStorageResult {
  const { s3, volume } = cluster.spec.storage
  const isUrl = options.data?.startsWith('s3://') ?? false
  if (isUrl || s3 !== undefined) {
    const storeUrl = isUrl || s3 === undefined ? String(options.data) : s3Url(s3)
    const key = createHash('sha256').update(storeUrl).digest('hex').slice(0, 16)
    return {
      ok: true,
      storage: {
        storeUrl,
        description: storeUrl.replace(/\?.*$/, ''),
        logFolder: resolve(options.workingFolder, '.cache', 'logs', cluster.metadata.name),
        lockFolder: join(tmpdir(), `streamcluster-${key}.lock`),
      },
    }
  }
  const path = options.data ?? volume?.path
  if (path === undefined) {
    const message =
      'spec.storage.volume has no path: a claim exists only in Kubernetes; ' +
      'name a folder of this machine with path, or with DATA=./data'
    return { ok: false, message }
  }
  const folder = resolve(options.workingFolder, path)
  return {
    ok: true,
    storage: {
      storeUrl: pathToFileURL(join(folder, 'bucket')).href,
      description: folder,
      logFolder: join(folder, 'logs'),
      lockFolder: join(folder, 'lock'),
    },
  }
}
