import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { filesystemStore } from './filesystem.ts'
import { isKey } from './keys.ts'
import { memoryStore } from './memory.ts'
import type { S3Options } from './s3.ts'
import { s3Store } from './s3.ts'
import type { ObjectStore } from './store.ts'
import { StoreError } from './store.ts'

export interface OpenOptions {
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
  readonly credentials?: S3Options['credentials']
}

const FORMS =
  'a folder (/var/lib/streamcluster or file:///var/lib/streamcluster), ' +
  's3://bucket/prefix?endpoint=http://host:port&region=name (all after the bucket is optional), ' +
  'or memory:'

const S3_PARAMETERS = ['endpoint', 'region', 'pathStyle']

function refuse(message: string): never {
  throw new StoreError('misconfigured', '', message)
}

function parse(url: string): URL {
  if (!URL.canParse(url)) refuse(`store '${url}' cannot be understood; a store is ${FORMS}`)
  return new URL(url)
}

function folderOf(url: string): string {
  const parsed = parse(url)
  if (parsed.host !== '' || !url.startsWith('file:///')) {
    refuse(`store '${url}' must have three slashes and an absolute path: file:///var/lib/data`)
  }
  return fileURLToPath(parsed)
}

/** What an `s3://` URL says. Throws {@link StoreError} `misconfigured` with words on what is wrong. */
export function parseS3Url(url: string): S3Options {
  const { hostname: bucket, port, pathname, searchParams, username, password } = parse(url)
  if (username !== '' || password !== '') {
    // Without the URL itself: this message goes to a log.
    refuse('a store URL may not hold credentials: use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
  }
  if (bucket === '') refuse(`store '${url}' names no bucket: s3://bucket/prefix`)
  if (port !== '')
    refuse(`store '${url}' names a bucket and no server: use ?endpoint=http://host:port`)
  for (const name of searchParams.keys()) {
    if (S3_PARAMETERS.includes(name)) continue
    refuse(`store '${url}' has a parameter '${name}'; known are ${S3_PARAMETERS.join(', ')}`)
  }
  const prefix = decodeURIComponent(pathname).replace(/^\/|\/$/g, '')
  if (prefix !== '' && !isKey(prefix)) {
    refuse(`store '${url}' has a prefix with an empty part, or one that begins with a dot`)
  }
  const endpoint = searchParams.get('endpoint') ?? undefined
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) {
    refuse(`store '${url}' has endpoint '${endpoint}', which must begin with http:// or https://`)
  }
  const pathStyle = searchParams.get('pathStyle')
  if (pathStyle !== null && pathStyle !== 'true' && pathStyle !== 'false') {
    refuse(`store '${url}' has pathStyle '${pathStyle}', which must be true or false`)
  }
  return {
    bucket,
    prefix,
    endpoint,
    region: searchParams.get('region') ?? undefined,
    forcePathStyle: pathStyle === null ? undefined : pathStyle === 'true',
  }
}

/**
 * The store at `url`: `s3://bucket/prefix?endpoint=…&region=…&pathStyle=true`, `file:///path`, a
 * plain path, or `memory:`. Throws {@link StoreError} `misconfigured` or `denied`, whose message
 * says what to change. Whether the store can hold a cluster is the probe's to say (probe.ts).
 */
export async function openStore(url: string, options: OpenOptions = {}): Promise<ObjectStore> {
  const { clock, random, credentials } = options
  if (url === 'memory:' || url === 'memory://') return memoryStore()
  if (url.startsWith('s3://')) return s3Store({ ...parseS3Url(url), credentials, clock })
  if (url.startsWith('file:')) return filesystemStore({ folder: folderOf(url), clock, random })
  if (/^https?:/.test(url)) {
    refuse(
      `store '${url}' names no bucket; for an S3 server write s3://bucket/prefix?endpoint=${url}`,
    )
  }
  if (url.trim() === '' || /^[a-z][a-z0-9+.-]*:/i.test(url)) {
    refuse(`store '${url}' is of no known kind; a store is ${FORMS}`)
  }
  return filesystemStore({ folder: resolve(url), clock, random })
}
