import type { S3Client } from '@aws-sdk/client-s3'
import { crc32 } from '@node-rs/crc32'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { assertKey, assertPrefix, assertRange, clipRange, pageLimit } from './keys.ts'
import type { S3Action } from './s3-errors.ts'
import { s3Error } from './s3-errors.ts'
import type { Exchange } from './s3-http.ts'
import { newExchange, S3HttpHandler } from './s3-http.ts'
import type { Body, ByteRange, ListedObject, ObjectStore } from './store.ts'
import { bodyBytes, StoreError } from './store.ts'

export interface S3Options {
  readonly bucket: string
  /** All keys lie below `prefix/`. */
  readonly prefix?: string | undefined
  /** Of a server other than AWS; else AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. */
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. The default with an endpoint. */
  readonly forcePathStyle?: boolean | undefined
  /** Else what the AWS SDK finds: variables, profiles, roles. */
  readonly credentials?:
    | {
        readonly accessKeyId: string
        readonly secretAccessKey: string
        readonly sessionToken?: string
      }
    | undefined
  readonly clock?: Clock | undefined
}

interface S3Place {
  readonly bucket: string
  /** Empty, or ending in `/`. */
  readonly prefix: string
  readonly endpoint: string | undefined
}

type Sdk = typeof import('@aws-sdk/client-s3')

/** S3 deletes at most this many objects in one request. */
const DELETE_MAX = 1_000
const SINGLE_DELETES_IN_FLIGHT = 16

/** CRC32 as S3 wants it: base64 of four bytes, big-endian. (zlib's costs three times as much.) */
function checksumOf(body: Body): string {
  let sum = 0
  for (const piece of body) sum = crc32(piece, sum)
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(sum)
  return bytes.toString('base64')
}

/** An HTTP range cannot be empty: an empty one asks for a byte, which is cut off afterwards. */
function rangeHeader(range: ByteRange): string {
  assertRange(range)
  if ('suffixBytes' in range) return `bytes=-${Math.max(range.suffixBytes, 1)}`
  return `bytes=${range.start}-${Math.max(range.end - 1, range.start)}`
}

function cut(bytes: Buffer, range: ByteRange | undefined, status: number | null): Buffer {
  if (range === undefined) return bytes
  // A server may ignore the range and send the whole object.
  const { start, length } =
    status === 200
      ? clipRange(range, bytes.length)
      : { start: 0, length: 'end' in range ? range.end - range.start : range.suffixBytes }
  return bytes.subarray(start, start + length)
}

/** A 404 for another reason than the key: no bucket, or a proxy that knows nothing of S3. */
function notOurs(error: unknown, status: number): boolean {
  return status === 404 && (error as Error).name !== 'NoSuchKey'
}

class S3Store implements ObjectStore {
  readonly description: string
  readonly #sdk: Sdk
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  #worked = false
  #deletesSingly = false

  constructor(sdk: Sdk, client: S3Client, place: S3Place) {
    const { bucket, prefix, endpoint } = place
    const server = endpoint === undefined ? '' : ` at ${new URL(endpoint).origin}`
    this.description = `s3://${bucket}/${prefix}`.replace(/\/$/, '') + server
    this.#sdk = sdk
    this.#client = client
    this.#bucket = bucket
    this.#prefix = prefix
  }

  /** `send` of a command, with the SDK's errors made ours, unless the status is one of `expected`. */
  async #request<T>(
    action: S3Action,
    key: string,
    exchange: Exchange,
    send: () => Promise<T>,
    expected: readonly number[] = [],
  ): Promise<T | null> {
    try {
      const output = await send()
      this.#worked = true
      return output
    } catch (error) {
      const { status } = exchange
      if (status !== null && expected.includes(status) && !notOurs(error, status)) return null
      const place = { bucket: this.#bucket, prefix: this.#prefix, key }
      throw s3Error(exchange.failure ?? error, { action, ...place, status, worked: this.#worked })
    }
  }

  async putIfAbsent(key: string, body: Body): Promise<'created' | 'exists'> {
    assertKey(key)
    const length = bodyBytes(body)
    const exchange = newExchange({ pieces: body, bodyBytes: length })
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#bucket,
      Key: this.#prefix + key,
      IfNoneMatch: '*',
      ContentLength: length,
      // Not only against damage: a store was seen to keep cut-off uploads that carry no checksum.
      ChecksumCRC32: checksumOf(body),
    })
    const send = () => this.#client.send(command, exchange as object)
    const output = await this.#request('s3:PutObject', key, exchange, send, [412])
    return output === null ? 'exists' : 'created'
  }

  async get(key: string, range?: ByteRange): Promise<Buffer | null> {
    assertKey(key)
    const exchange = newExchange({ receives: true })
    const command = new this.#sdk.GetObjectCommand({
      Bucket: this.#bucket,
      Key: this.#prefix + key,
      ...(range && { Range: rangeHeader(range) }),
    })
    const send = () => this.#client.send(command, exchange as object)
    const output = await this.#request('s3:GetObject', key, exchange, send, [404, 416])
    if (output === null) return exchange.status === 416 ? Buffer.alloc(0) : null
    return cut(exchange.received ?? Buffer.alloc(0), range, exchange.status)
  }

  async list(options: Parameters<ObjectStore['list']>[0]): Promise<ListedObject[]> {
    const { prefix } = options
    assertPrefix(prefix)
    const limit = pageLimit(options.limit)
    const found: ListedObject[] = []
    let after = options.startAfter === undefined ? undefined : this.#prefix + options.startAfter
    while (found.length < limit) {
      const exchange = newExchange()
      const command = new this.#sdk.ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#prefix + prefix,
        MaxKeys: limit - found.length,
        ...(after !== undefined && { StartAfter: after }),
      })
      const send = () => this.#client.send(command, exchange as object)
      const output = await this.#request('s3:ListBucket', prefix, exchange, send)
      for (const { Key: fullKey = '', Size: sizeBytes = 0 } of output?.Contents ?? []) {
        after = fullKey
        // Consoles make such objects to show empty folders.
        if (!fullKey.endsWith('/'))
          found.push({ key: fullKey.slice(this.#prefix.length), sizeBytes })
      }
      // S3 may send fewer than asked for although there are more.
      if (!output?.IsTruncated) break
    }
    return found
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) assertKey(key)
    for (let index = 0; index < keys.length; index += DELETE_MAX) {
      const batch = keys.slice(index, index + DELETE_MAX)
      if (!this.#deletesSingly) this.#deletesSingly = !(await this.#deleteBatch(batch))
      if (this.#deletesSingly) await this.#deleteEach(batch)
    }
  }

  /** False if the server does not know DeleteObjects. */
  async #deleteBatch(keys: readonly string[]): Promise<boolean> {
    const exchange = newExchange()
    const command = new this.#sdk.DeleteObjectsCommand({
      Bucket: this.#bucket,
      Delete: { Quiet: true, Objects: keys.map((key) => ({ Key: this.#prefix + key })) },
    })
    const send = () => this.#client.send(command, exchange as object)
    const first = keys[0] ?? ''
    const refused = [400, 405, 411, 501]
    const output = await this.#request('s3:DeleteObject', first, exchange, send, refused)
    if (output === null) return false
    for (const { Key: fullKey = '', Code: name = '', Message: message = '' } of output.Errors ??
      []) {
      if (name === 'NoSuchKey') continue
      const key = fullKey.slice(this.#prefix.length)
      const status = name === 'AccessDenied' ? 403 : 500
      const place = { bucket: this.#bucket, prefix: this.#prefix, key }
      const failure = { action: 's3:DeleteObject' as const, ...place, status, worked: true }
      throw s3Error({ name, message }, failure)
    }
    return true
  }

  async #deleteEach(keys: readonly string[]): Promise<void> {
    let next = 0
    const work = async (): Promise<void> => {
      while (next < keys.length) {
        const key = keys[next++] as string
        const exchange = newExchange()
        const command = new this.#sdk.DeleteObjectCommand({
          Bucket: this.#bucket,
          Key: this.#prefix + key,
        })
        const send = () => this.#client.send(command, exchange as object)
        await this.#request('s3:DeleteObject', key, exchange, send, [404])
      }
    }
    await Promise.all(Array.from({ length: SINGLE_DELETES_IN_FLIGHT }, work))
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }
}

/**
 * A store in an S3 bucket. The SDK is loaded here and not before, because its 50 MB are only due
 * where there is a bucket. Throws {@link StoreError} `misconfigured` without a region.
 */
export async function s3Store(options: S3Options): Promise<ObjectStore> {
  const { bucket, clock = systemClock, credentials } = options
  const { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL: anyEndpoint } = process.env
  const endpoint = options.endpoint || s3Endpoint || anyEndpoint || undefined
  const trimmed = (options.prefix ?? '').replace(/^\/+|\/+$/g, '')
  const sdk = await import('@aws-sdk/client-s3')
  const client = new sdk.S3Client({
    // Our own retries know what a lost answer means (create.ts); the SDK's do not.
    maxAttempts: 1,
    requestHandler: new S3HttpHandler(clock),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    ...regionOf(options, endpoint),
  })
  try {
    await client.config.region()
  } catch (error) {
    const advice = `say which region bucket ${bucket} is in: set region, or AWS_REGION`
    throw new StoreError('misconfigured', '', advice, error)
  }
  client.middlewareStack.add(
    (next) => (step) => {
      const request = step.request as { method: string; headers: Record<string, string> }
      // The CRC32 in the signed headers covers the body; a SHA-256 would cost more than the rest.
      if (request.method === 'PUT') request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      return next(step)
    },
    { step: 'build', name: 'unsignedPayload' },
  )
  const prefix = trimmed === '' ? '' : `${trimmed}/`
  return new S3Store(sdk, client, { bucket, prefix, endpoint })
}

/** Servers other than AWS mostly have no regions, but signatures name one. */
function regionOf(options: S3Options, endpoint: string | undefined): { region?: string } {
  if (options.region) return { region: options.region }
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env
  const region = AWS_REGION || AWS_DEFAULT_REGION
  if (region) return { region }
  return endpoint === undefined ? {} : { region: 'us-east-1' }
}
