import type { StoreErrorKind } from './store.ts'
import { StoreError } from './store.ts'

/** An S3 action, as its permission is called. */
export type S3Action = 's3:PutObject' | 's3:GetObject' | 's3:ListBucket' | 's3:DeleteObject'

export interface S3Failure {
  readonly action: S3Action
  readonly bucket: string
  /** What stands before every key: empty, or ending in `/`. */
  readonly prefix: string
  readonly key: string
  /** The HTTP status, or null when no response came. */
  readonly status: number | null
  /** Whether any request of this store ever succeeded. */
  readonly worked: boolean
}

interface SdkError {
  readonly name?: string
  readonly code?: string
  readonly message?: string
}

/** The request was damaged or cut off on its way, and the server noticed: nothing was stored. */
const DAMAGED = new Set(['BadDigest', 'InvalidDigest', 'IncompleteBody', 'RequestTimeout'])
const DAMAGED_CHECKSUM = /Checksum|ContentSHA256Mismatch/

/** Short-lived credentials, which the SDK renews, or our clock, which the SDK corrects. */
const STALE = new Set(['ExpiredToken', 'ExpiredTokenException', 'RequestTimeTooSkewed'])

const WRONG_REGION = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
])

/** versitygw's words for what S3 allows and a file system does not. */
const FOLDER_CLASH = new Set(['ObjectParentIsFile', 'ExistingObjectIsDirectory'])

/** No connection came about, so nothing was sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** The last one is versitygw's word for a key that it does not know. */
const WRONG_CREDENTIALS = new Set([
  ...['SignatureDoesNotMatch', 'InvalidAccessKeyId', 'InvalidToken', 'XAdminUserNotFound'],
])

/** What a fault in this program is called; to send the same again would not help. */
const BUGS = new Set(['TypeError', 'ReferenceError', 'RangeError', 'InvariantError'])

/** The server's certificate was not accepted: OpenSSL's and Node's words for it. */
const UNTRUSTED = /CERT|VERIFY_LEAF|UNABLE_TO_GET_ISSUER/
/** https asked of a server that speaks http, or the other way round. */
const WRONG_PROTOCOL = /^(EPROTO|ERR_SSL_|HPE_)/

type Verdict = readonly [StoreErrorKind, string]

function verdictByName(name: string, failure: S3Failure): Verdict | null {
  const { action, bucket, worked } = failure
  if (STALE.has(name)) return ['unavailable', 'the credentials or the clock were out of date']
  if (WRONG_CREDENTIALS.has(name)) {
    return ['denied', 'the credentials are wrong: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY']
  }
  if (DAMAGED.has(name) || DAMAGED_CHECKSUM.test(name)) {
    return ['unavailable', 'the request was damaged or cut off on its way']
  }
  if (WRONG_REGION.has(name)) {
    return [
      'misconfigured',
      `bucket ${bucket} is in another region: set region or AWS_REGION to it`,
    ]
  }
  if (FOLDER_CLASH.has(name)) {
    return ['misconfigured', 'an object has the name of a folder: use another prefix']
  }
  if (name === 'NoSuchBucket') {
    return ['misconfigured', `there is no bucket ${bucket}: create it, or correct its name`]
  }
  if (name === 'CredentialsProviderError') {
    const advice = 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role'
    return [worked ? 'unavailable' : 'misconfigured', `no credentials were found: ${advice}`]
  }
  if (name.startsWith('SlowDown') || /Throttl|TooManyRequests|RequestLimit/.test(name)) {
    return ['throttled', `the store asks for fewer requests (${action})`]
  }
  return null
}

/** For errors of the connection, which have a code; null for what the caller judges by itself. */
function verdictByCode(code: string | undefined, worked: boolean): Verdict | null {
  if (code === undefined) return null
  // What once worked is not a mistake in a setting, and may come right again.
  const kind = worked ? 'unavailable' : 'misconfigured'
  if (UNTRUSTED.test(code)) {
    return [kind, 'its certificate is not trusted: name its authority in NODE_EXTRA_CA_CERTS']
  }
  if (WRONG_PROTOCOL.test(code)) {
    return [kind, 'the server speaks another protocol: is the endpoint http:// or https://?']
  }
  if (NOT_SENT.has(code)) {
    return ['unavailable', 'the server cannot be reached: check the endpoint and the network']
  }
  return null
}

function verdictByStatus(failure: S3Failure, isPut: boolean): Verdict {
  const { action, bucket, status } = failure
  const again: StoreErrorKind = isPut ? 'unknown' : 'unavailable'
  if (status === null) return [again, 'the connection failed']
  if (status === 409) return ['conflict', 'another request for the same key ran at the same time']
  if (status === 404 && isPut) return ['conflict', 'the key changed at the same time']
  if (status === 404) return [again, 'the answer is not one of S3: is there a proxy in between?']
  if (status === 401 || status === 403) {
    const reads = action === 's3:GetObject' ? ', and s3:ListBucket on the bucket' : ''
    return ['denied', `these credentials may not: allow ${action} in bucket ${bucket}${reads}`]
  }
  if (status === 429) return ['throttled', `the store asks for fewer requests (${action})`]
  if (status === 501) {
    const needs = isPut ? 'PUT with If-None-Match' : action
    return ['misconfigured', `the server of bucket ${bucket} does not know ${needs}`]
  }
  if (status === 408 || status >= 500) return [again, 'the server had an error']
  // 2xx: its body could not be understood. 3xx: a move that is not yet known everywhere.
  if (status < 400) return [again, 'the answer was not understood']
  return ['misconfigured', 'the server refuses the request']
}

/** The {@link StoreError} for what the SDK threw. Its message names the request, no secrets. */
export function s3Error(error: unknown, failure: S3Failure): StoreError {
  const { name = 'Error', code, message = '' } = error as SdkError
  if (BUGS.has(name) && code === undefined) throw error
  const isPut = failure.action === 's3:PutObject'
  const [kind, says] =
    verdictByName(name, failure) ??
    (failure.status === null ? verdictByCode(code, failure.worked) : null) ??
    verdictByStatus(failure, isPut)
  const status = failure.status === null ? '' : `${failure.status} `
  const detail = `${status}${code ?? name}: ${message}`.slice(0, 300)
  const where = `s3://${failure.bucket}/${failure.prefix}${failure.key}`
  const text = `${failure.action} ${where} failed: ${says} (${detail})`
  return new StoreError(kind, failure.key, text, error)
}
