import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseS3Url } from '../../object-store/open.ts'
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

type Environment = Readonly<Record<string, string | undefined>>

export interface LocalStorageOptions {
  readonly data: string | null
  readonly workingFolder: string
  readonly environment: Environment
}

const DATA_FORMS = 'a folder (./data or file:///srv/data) or s3://bucket/prefix'

/**
 * What `spec.storage` means on this machine. A folder holds the objects in `bucket/`, apart from
 * logs and lock, so that `bucket/` is the cluster and nothing else and can be copied as it is.
 * `data`, if given, takes the place of the volume's path, or of the whole storage where it is a URL
 * such as s3://bucket/prefix.
 */
export function localStorageOf(
  cluster: StreamCluster,
  options: LocalStorageOptions,
): LocalStorageResult {
  const { s3, volume } = cluster.spec.storage
  const { data } = options
  if (data !== null) return storageAt(data, cluster, options)
  if (s3 !== undefined) return bucketAt(s3Url(s3), cluster, options)
  if (volume?.path !== undefined) return folderAt(volume.path, options)
  return refused(
    'spec.storage.volume has no path: a claim exists only in Kubernetes; ' +
      'name a folder of this machine with path, or with DATA=./data',
  )
}

function refused(message: string): LocalStorageResult {
  return { ok: false, message }
}

/** What a person gave: a word too many (`data:x`) must not become a folder of that name. */
function storageAt(
  data: string,
  cluster: StreamCluster,
  options: LocalStorageOptions,
): LocalStorageResult {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(data)?.[1]?.toLowerCase()
  if (scheme === undefined) return folderAt(data, options)
  if (scheme === 's3') return bucketAt(data, cluster, options)
  if (scheme !== 'file') return refused(`DATA is ${data}: it must be ${DATA_FORMS}`)
  if (!/^file:\/\/\/[^/?#]/i.test(data) || !URL.canParse(data)) {
    return refused(`DATA is ${data}: it must have three slashes and a path: file:///srv/data`)
  }
  return folderAt(fileURLToPath(new URL(data)), options)
}

function folderAt(path: string, { workingFolder }: LocalStorageOptions): LocalStorageResult {
  const folder = resolve(workingFolder, path)
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

function bucketAt(
  storeUrl: string,
  cluster: StreamCluster,
  { workingFolder, environment }: LocalStorageOptions,
): LocalStorageResult {
  let place: string
  try {
    place = placeOf(storeUrl, environment)
  } catch (error) {
    // By name: two copies of the module may be loaded in a test run.
    if ((error as Error).name !== 'StoreError') throw error
    return refused((error as Error).message)
  }
  const key = createHash('sha256').update(place).digest('hex').slice(0, 16)
  return {
    ok: true,
    storage: {
      storeUrl,
      description: storeUrl.replace(/\?.*$/, ''),
      logFolder: resolve(workingFolder, '.cache', 'logs', cluster.metadata.name),
      lockFolder: join(tmpdir(), `streamcluster-${key}.lock`),
    },
  }
}

/**
 * The same text for every way to name the same bucket and prefix, as the store itself reads them:
 * two runs that spell it differently must meet in one lock.
 */
function placeOf(storeUrl: string, environment: Environment): string {
  const { bucket, prefix, endpoint } = parseS3Url(storeUrl)
  const named =
    endpoint || environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL || undefined
  const server = named !== undefined && URL.canParse(named) ? new URL(named).href : (named ?? '')
  return JSON.stringify([bucket, prefix, server.replace(/\/+$/, '')])
}
