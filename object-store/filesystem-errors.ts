import type { StoreErrorKind } from './store.ts'
import { StoreError } from './store.ts'

/**
 * How far a request came: `before` the key appeared, at the `link` that makes it appear, `after`
 * it. Reads and deletes are `before`: nothing was decided.
 */
export type Step = 'before' | 'link' | 'after'

const NO_LINKS =
  'has no hard links, which create an object only if it is absent; use a folder on ext4, xfs, ' +
  'NFS, CubeFS, EFS, or a bucket'

/** What a person can do about an errno; the kind is for {@link Step} `before`. */
const ADVICE: Record<string, { kind: StoreErrorKind; says: string }> = {
  // Space comes back when retention deletes or somebody makes room, so a full disk is waited for.
  ENOSPC: { kind: 'unavailable', says: 'is full: free or add space, writes go on by themselves' },
  EDQUOT: { kind: 'unavailable', says: 'is over its quota: raise it, writes go on by themselves' },
  EMFILE: { kind: 'unavailable', says: 'needs more open files than allowed: raise `ulimit -n`' },
  ENFILE: { kind: 'unavailable', says: 'needs more open files than the machine allows' },
  ENOENT: { kind: 'unavailable', says: 'is gone: mount it or make it again' },
  EROFS: { kind: 'misconfigured', says: 'is mounted read-only: mount it for writing' },
  EACCES: { kind: 'denied', says: 'may not be used by this user: give it read and write access' },
  EPERM: { kind: 'denied', says: 'may not be used by this user: give it read and write access' },
  ENAMETOOLONG: { kind: 'misconfigured', says: 'has too long a path: use one nearer the root' },
  ENOTDIR: { kind: 'misconfigured', says: 'has a file where a folder must be: give it a folder' },
  EEXIST: { kind: 'misconfigured', says: 'has a file where a folder must be: give it a folder' },
  EISDIR: { kind: 'misconfigured', says: 'has a folder where an object must be' },
  ELOOP: { kind: 'misconfigured', says: 'has symbolic links in a circle' },
  EXDEV: { kind: 'misconfigured', says: 'spans file systems: mount nothing below its root' },
}

const LINK_UNSUPPORTED = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * The {@link StoreError} for the errno error of a file system call about `key`. Whatever fails once
 * the key may be there is `unknown`, except what says for sure that the link was refused.
 */
export function filesystemError(
  error: unknown,
  folder: string,
  key: string,
  step: Step,
): StoreError {
  const code = (error as NodeJS.ErrnoException | null)?.code
  // Not an errno: a bug of ours, which must not be retried for ever.
  if (code === undefined) throw error
  if (step === 'link' && LINK_UNSUPPORTED.has(code)) {
    return new StoreError('misconfigured', key, `folder ${folder} ${NO_LINKS} (${code})`, error)
  }
  const advice = ADVICE[code]
  const says = advice?.says ?? 'does not answer as it should'
  const message = `folder ${folder} ${says} (${code}, object ${key})`
  const kind = advice?.kind ?? 'unavailable'
  const open = step === 'after' || (step === 'link' && advice === undefined)
  return new StoreError(open ? 'unknown' : kind, key, message, error)
}
