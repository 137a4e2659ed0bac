import type { Clock } from '../../base/clock.ts'
import { sleep } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { Body, ObjectStore, StoreErrorKind } from '../../object-store/store.ts'
import { StoreError } from '../../object-store/store.ts'

/** How often, in 1,000, and for how long. */
export interface Faults {
  readonly latencyMsMax: number
  /** The request fails and has no effect. */
  readonly failing: number
  /** A create answers 409 and has no effect. */
  readonly conflicting: number
  /** A create has its effect, the answer is lost. */
  readonly losing: number
  /** A create answers nothing and has its effect later, up to `lateMsMax`. */
  readonly delaying: number
  /** A create has its effect, and tries to have it again later, up to `lateMsMax`. */
  readonly doubling: number
  readonly lateMsMax: number
  /** So many objects per page of a LIST, whatever is asked for. */
  readonly pageSize: number
}

const NOTHING_DONE: StoreErrorKind[] = ['unavailable', 'throttled']

/** `inner` behind a bad network. Every request takes time before its effect and after it. */
export function faultyStore(
  inner: ObjectStore,
  { clock, random, faults }: { clock: Clock; random: Random; faults: Faults },
): ObjectStore {
  const pause = (): Promise<void> => sleep(clock, random.below(faults.latencyMsMax + 1))

  async function request<T>(key: string, effect: () => Promise<T>): Promise<T> {
    await pause()
    if (random.below(1_000) < faults.failing) {
      const kind = NOTHING_DONE[random.below(NOTHING_DONE.length)] as StoreErrorKind
      throw new StoreError(kind, key, `${kind}: injected`)
    }
    const result = await effect()
    await pause()
    return result
  }

  function landLater(key: string, body: Body): void {
    clock.after(random.below(faults.lateMsMax), () => void inner.putIfAbsent(key, body))
  }

  /** Which of the things that can happen to a create happens to this one. */
  function fateOfCreate(): 'conflict' | 'late' | 'lost' | 'doubled' | 'plain' {
    const roll = random.below(1_000)
    let limit = faults.conflicting
    if (roll < limit) return 'conflict'
    limit += faults.delaying
    if (roll < limit) return 'late'
    limit += faults.losing
    if (roll < limit) return 'lost'
    return roll < limit + faults.doubling ? 'doubled' : 'plain'
  }

  async function create(key: string, body: Body): Promise<'created' | 'exists'> {
    const fate = fateOfCreate()
    if (fate === 'conflict') throw new StoreError('conflict', key, '409: injected')
    if (fate === 'late' || fate === 'doubled') landLater(key, body)
    if (fate === 'late') throw new StoreError('unknown', key, 'late: injected')
    const result = await inner.putIfAbsent(key, body)
    if (fate === 'lost') throw new StoreError('unknown', key, 'lost: injected')
    return result
  }

  return {
    ...inner,
    putIfAbsent: (key, body) => request(key, () => create(key, body)),
    get: (key, range) => request(key, () => inner.get(key, range)),
    delete: (keys) => request(keys[0] ?? '', () => inner.delete(keys)),
    list: (options) =>
      request(options.prefix, () =>
        inner.list({ ...options, limit: Math.min(options.limit ?? 1_000, faults.pageSize) }),
      ),
  }
}
