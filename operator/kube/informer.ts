import { type Clock, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { type Backoff, backoffMs } from '../../object-store/backoff.ts'
import type { KubeClient, Selection } from './client.ts'
import type { KubeFailure } from './failure.ts'
import { type IndexFunction, ObjectCache, type ObjectReader } from './object-cache.ts'
import { type KubeObject, nameOfObject, type ResourceKind } from './objects.ts'
import { openWatch, type WatchEnd, type WatchEvent } from './watch.ts'

/** As client-go's reflector. */
const BACKOFF: Backoff = { firstMs: 800, lastMs: 30_000 }
/** A watch that lived as long was a good one: whatever ends it now is no repetition. */
const GOOD_WATCH_MS = 10_000
/** A server that was restored from a backup never reaches our resourceVersion: list anew then. */
const WATCH_FAILURES_MAX = 5
const TIMEOUT_SECONDS_MIN = 300

export type Change<T extends KubeObject = KubeObject> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'updated'; readonly object: T; readonly previous: T }
  /** `object` is the last state that was seen. */
  | { readonly type: 'deleted'; readonly object: T }

export interface InformerOptions<T extends KubeObject> extends Selection {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly kind: ResourceKind
  readonly indexes?: Readonly<Record<string, IndexFunction>>
  /** Changes objects before they are kept; managed fields are always dropped. */
  readonly transform?: (object: T) => T
  /** The cache already holds the change. What this throws is logged and goes no further. */
  readonly onChange?: (change: Change<T>) => void
  /** For tests. */
  readonly idleMsMax?: number
}

export interface InformerCounts {
  readonly lists: number
  readonly watches: number
  readonly failures: number
}

interface WatchResult {
  readonly end: WatchEnd
  readonly eventCount: number
  /** Null when the server never took it. */
  readonly openedAtMs: number | null
}

/**
 * Keeps a copy of all objects of a kind: one list, then watches, each from where the last one
 * ended; a new list when the server no longer knows that moment. Changes that a gap swallowed come
 * out of the comparison of the new list with the copy, deletions too.
 */
export class Informer<T extends KubeObject = KubeObject> {
  private readonly options: InformerOptions<T>
  private readonly objects: ObjectCache<T>
  private readonly stopping = new AbortController()
  private readonly syncWaiters: (() => void)[] = []
  private readonly denialWaiters: (() => void)[] = []
  private running: Promise<void> | null = null
  private resourceVersion: string | null = null
  private isSynced = false
  private wasDenied = false
  private listFailuresInRow = 0
  private watchFailuresInRow = 0
  private readonly counted = { lists: 0, watches: 0, failures: 0 }

  constructor(options: InformerOptions<T>) {
    this.options = options
    this.objects = new ObjectCache<T>(options.indexes)
  }

  get cache(): ObjectReader<T> {
    return this.objects
  }

  /** Whether the copy was complete once; it may lag behind since. */
  get hasSynced(): boolean {
    return this.isSynced
  }

  get counts(): InformerCounts {
    return this.counted
  }

  /** Resolves once {@link hasSynced}; never when the informer is stopped before. */
  synced(): Promise<void> {
    if (this.isSynced) return Promise.resolve()
    return new Promise((resolve) => this.syncWaiters.push(resolve))
  }

  /** Resolves once it may not list, or there is nothing of the kind; it goes on trying. */
  denied(): Promise<void> {
    if (this.wasDenied) return Promise.resolve()
    return new Promise((resolve) => this.denialWaiters.push(resolve))
  }

  start(): void {
    this.running ??= this.run()
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      const failure = this.resourceVersion === null ? await this.relist() : await this.watch()
      if (failure === null || signal.aborted) continue
      const { clock, random } = this.options
      // A list between watches that fail is no reason to try those more often.
      const tries = Math.max(this.listFailuresInRow, this.watchFailuresInRow)
      const delayMs = backoffMs(BACKOFF, tries, random)
      await sleep(clock, Math.max(delayMs, failure.retryAfterMs ?? 0), signal)
    }
  }

  /** Null: go on at once. */
  private async relist(): Promise<KubeFailure | null> {
    const { client, kind } = this.options
    this.counted.lists++
    const { signal } = this.stopping
    const outcome = await client.list<T>(kind, this.selection, { signal })
    if (signal.aborted) return null
    if (!outcome.ok) {
      this.listFailuresInRow++
      const { status } = outcome.failure
      if (status === 403 || status === 404) {
        this.wasDenied = true
        for (const wake of this.denialWaiters.splice(0)) wake()
      }
      return this.failed('Objects could not be listed', outcome.failure)
    }
    this.listFailuresInRow = 0
    this.replaceAll(outcome.value.items)
    this.resourceVersion = outcome.value.resourceVersion
    this.isSynced = true
    for (const wake of this.syncWaiters.splice(0)) wake()
    return null
  }

  private async watch(): Promise<KubeFailure | null> {
    const { clock } = this.options
    this.counted.watches++
    const { end, eventCount, openedAtMs } = await this.watchOnce()
    const openMs = openedAtMs === null ? 0 : clock.nowMs() - openedAtMs
    const isGood = eventCount > 0 || openMs >= GOOD_WATCH_MS
    if (isGood) this.watchFailuresInRow = 0
    if (this.stopping.signal.aborted) return null
    if (end === null) {
      if (isGood) return null
      this.watchFailuresInRow++
      return this.failed('A watch ended as soon as it began', EARLY_END)
    }
    if (end.status === 410) {
      this.resourceVersion = null
      this.options.log.debug('A watch is too old to go on, everything is listed anew', this.fields)
      if (isGood) return null
      this.watchFailuresInRow++
      return this.failed('A watch could not begin', end)
    }
    // Half-dead links are nothing that waiting would mend.
    if (end.reason === 'Timeout' && end.status === null && isGood) return null
    if (++this.watchFailuresInRow % WATCH_FAILURES_MAX === 0) this.resourceVersion = null
    return this.failed('A watch broke off', end)
  }

  /** One watch to its end; events are in the cache when it resolves. Never rejects. */
  private watchOnce(): Promise<WatchResult> {
    const { client, clock, kind, random, idleMsMax } = this.options
    const { signal } = this.stopping
    let eventCount = 0
    let openedAtMs: number | null = null
    return new Promise((resolve) => {
      const finish = (end: WatchEnd): void => {
        signal.removeEventListener('abort', onAbort)
        resolve({ end, eventCount, openedAtMs })
      }
      const watch = openWatch(client, {
        ...this.selection,
        kind,
        resourceVersion: this.resourceVersion ?? '',
        // Spread, so that watches opened together do not end together.
        timeoutSeconds: TIMEOUT_SECONDS_MIN + random.below(TIMEOUT_SECONDS_MIN + 1),
        ...(idleMsMax !== undefined && { idleMsMax }),
        onOpen: () => {
          openedAtMs = clock.nowMs()
        },
        onEvent: (event) => {
          eventCount++
          this.take(event)
        },
        onEnd: finish,
      })
      const onAbort = (): void => {
        watch.close()
        finish(null)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
    })
  }

  private take(event: WatchEvent): void {
    if (event.type === 'bookmark') {
      if (event.resourceVersion !== '') this.resourceVersion = event.resourceVersion
      return
    }
    const object = this.kept(event.object as T)
    if (event.type === 'deleted') {
      const previous = this.objects.delete(nameOfObject(object))
      if (previous !== undefined) this.tell({ type: 'deleted', object })
    } else {
      this.put(object)
    }
    const { resourceVersion } = event.object.metadata
    if (resourceVersion !== undefined) this.resourceVersion = resourceVersion
  }

  private put(object: T): void {
    const previous = this.objects.get(nameOfObject(object))
    if (previous !== undefined && previous.metadata.uid === object.metadata.uid) {
      if (previous.metadata.resourceVersion === object.metadata.resourceVersion) return
      this.objects.set(object)
      this.tell({ type: 'updated', object, previous })
      return
    }
    if (previous !== undefined) {
      // Deleted and created again while nobody looked: not the same thing under its name.
      this.objects.delete(nameOfObject(previous))
      this.tell({ type: 'deleted', object: previous })
    }
    this.objects.set(object)
    this.tell({ type: 'added', object })
  }

  private replaceAll(items: readonly T[]): void {
    const listed = new ObjectCache<T>()
    for (const item of items) listed.set(this.kept(item))
    for (const previous of this.objects.all()) {
      const name = nameOfObject(previous)
      if (listed.get(name) !== undefined) continue
      this.objects.delete(name)
      this.tell({ type: 'deleted', object: previous })
    }
    for (const object of listed.all()) this.put(object)
  }

  private kept(object: T): T {
    // Half of an object's bytes, and nobody here asks who set which field.
    delete object.metadata.managedFields
    return this.options.transform?.(object) ?? object
  }

  private tell(change: Change<T>): void {
    try {
      this.options.onChange?.(change)
    } catch (error) {
      const { namespace, name } = change.object.metadata
      const fields = { ...this.fields, namespace, name, error }
      this.options.log.error('A change of an object could not be dealt with', fields)
    }
  }

  private failed(message: string, failure: KubeFailure): KubeFailure {
    this.counted.failures++
    const { status, reason, message: words } = failure
    this.options.log.warn(message, { ...this.fields, status, reason, words })
    return failure
  }

  private get selection(): Selection {
    const { namespace, labelSelector, fieldSelector } = this.options
    return {
      ...(namespace !== undefined && { namespace }),
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
    }
  }

  private get fields(): Record<string, unknown> {
    return { kind: this.options.kind.kind, ...this.selection }
  }
}

const EARLY_END: KubeFailure = {
  status: null,
  reason: 'Unreachable',
  message: 'the server ended it without a word',
  retryAfterMs: null,
  isUndecided: false,
  causes: [],
}
