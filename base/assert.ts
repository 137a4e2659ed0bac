/**
 * A broken invariant: a bug of ours, never a peer's input. The process ends on it, which is safe
 * because ownership is fenced in the bucket: what was acknowledged is durable, the rest is unknown
 * to clients anyway.
 */
export class InvariantError extends Error {
  override name = 'InvariantError'
}

/** Throws {@link InvariantError} unless `condition` holds. Stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

/** Narrows away `undefined` and `null` where the program's logic rules them out. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new InvariantError(`${what} is missing`)
  return value
}
