/** Why a request did not do what it was for; a value, since every caller has an answer to some. */
export interface KubeFailure {
  /** HTTP status; null when no response came. */
  readonly status: number | null
  /**
   * Kubernetes' own reason (`NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Forbidden`,
   * `Expired`, `TooManyRequests`, …), or ours where it gave none: `Unreachable`, `Timeout`,
   * `Aborted`, `Unreadable`, `Unknown`.
   */
  readonly reason: string
  readonly message: string
  /** How long the server wants to be left alone; null when it does not say. */
  readonly retryAfterMs: number | null
  /** Whether the request may have been carried out all the same: no response told. */
  readonly isUndecided: boolean
  /** What is wrong with which field, for `Invalid` and for conflicts of server-side apply. */
  readonly causes: readonly FailureCause[]
}

export interface FailureCause {
  readonly field: string
  readonly reason: string
  readonly message: string
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: KubeFailure }

/** Kubernetes' Status object, as far as failures need it; every field may be missing. */
interface StatusBody {
  readonly kind?: unknown
  readonly code?: unknown
  readonly reason?: unknown
  readonly message?: unknown
  readonly details?: { readonly causes?: unknown; readonly retryAfterSeconds?: unknown }
}

/** Reasons of statuses whose body says nothing: proxies and load balancers answer so. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [400, 'BadRequest'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'NotFound'],
  [405, 'MethodNotAllowed'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [422, 'Invalid'],
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [503, 'ServiceUnavailable'],
  [504, 'Timeout'],
])

/** A message of a peer that goes into logs and conditions: not without end. */
const MESSAGE_LENGTH_MAX = 2_000

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function causesOf(value: unknown): FailureCause[] {
  if (!Array.isArray(value)) return []
  return value.map((one: unknown) => {
    const cause = (one ?? {}) as Record<string, unknown>
    return {
      field: textOf(cause.field),
      reason: textOf(cause.reason),
      message: textOf(cause.message),
    }
  })
}

/**
 * The failure that a response tells: `body` is the parsed JSON, or the text where it is none;
 * `retryAfter` the header of that name (seconds; a date counts as none).
 */
export function failureOfResponse(
  status: number,
  body: unknown,
  retryAfter: string | undefined,
): KubeFailure {
  const told: StatusBody = typeof body === 'object' && body !== null ? body : {}
  const seconds = Number(retryAfter ?? told.details?.retryAfterSeconds ?? Number.NaN)
  const message = textOf(told.message) || (typeof body === 'string' ? body.trim() : '')
  return {
    status,
    reason: textOf(told.reason) || (REASONS.get(status) ?? 'Unknown'),
    message: message.slice(0, MESSAGE_LENGTH_MAX) || `the API server answered ${status}`,
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null,
    // A gateway gave up waiting: what it waited for may still happen.
    isUndecided: status === 502 || status === 504,
    causes: causesOf(told.details?.causes),
  }
}

/** The failure of a request without a response. */
export function failureWithoutResponse(
  reason: 'Unreachable' | 'Timeout' | 'Aborted' | 'Unreadable',
  message: string,
  isUndecided: boolean,
): KubeFailure {
  return { status: null, reason, message, retryAfterMs: null, isUndecided, causes: [] }
}

/** Whether trying the same again later can help, without anybody changing anything. */
export function isTransient(failure: KubeFailure): boolean {
  const { status } = failure
  return status === null || status === 408 || status === 429 || status >= 500
}
