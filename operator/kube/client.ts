import { type Clock, sleep } from '../../base/clock.ts'
import type { KubeAccess } from './access.ts'
import type { Outcome } from './failure.ts'
import {
  type KubeObject,
  nameOfObject,
  type ObjectName,
  pathOf,
  type ResourceKind,
} from './objects.ts'
import { type KubeRequest, KubeTransport, type Stream, type StreamHandlers } from './transport.ts'

/** Of one request, its repetitions after a Retry-After included. As client-go's defaults go. */
const REQUEST_MS_DEFAULT = 30_000
/** Servers under load say when to come back; who never gets in is told so. */
const RETRIES_MAX = 5
const PAGE_COUNT_DEFAULT = 500

export interface RequestOptions {
  readonly deadlineMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface Selection {
  /** All namespaces when left out. */
  readonly namespace?: string
  /** `app=x,tier in (a, b)`. */
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface ListPage<T> {
  readonly items: T[]
  /** The moment in the cluster's history that the list shows; watches go on from here. */
  readonly resourceVersion: string
  /** Given with the next request; null after the last page. */
  readonly continueToken: string | null
}

export interface PageRequest extends Selection {
  /** At most this many objects; all of them when null. */
  readonly limit: number | null
  readonly continueToken?: string
}

export interface DeleteOptions extends RequestOptions {
  /** Delete only this very object, not another one of the same name. */
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
  readonly gracePeriodSeconds?: number
}

export interface WriteOptions extends RequestOptions {
  /** `status`, `scale`, `eviction`, …; the object itself when left out. */
  readonly subresource?: string
}

export interface ApplyOptions extends WriteOptions {
  /** Take over fields that somebody else set; true when left out. Else they are a conflict. */
  readonly force?: boolean
  readonly isDryRun?: boolean
}

/**
 * Requests to the API server, raw JSON in and out, with every failure a value. Reads and writes
 * that the server puts off (429 or 5xx with Retry-After) are repeated within their deadline;
 * nothing else is, for the caller is a reconcile loop that comes again.
 */
export class KubeClient {
  readonly clock: Clock
  private readonly transport: KubeTransport
  private readonly fieldManager: string
  private readonly requestMs: number

  /** `fieldManager` names this program as the owner of what it writes (at most 128 characters). */
  constructor(options: {
    access: KubeAccess
    clock: Clock
    fieldManager: string
    requestMs?: number
  }) {
    const { access, clock, fieldManager } = options
    this.clock = clock
    this.fieldManager = fieldManager
    this.requestMs = options.requestMs ?? REQUEST_MS_DEFAULT
    this.transport = new KubeTransport({ access, clock, userAgent: fieldManager })
  }

  get<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    name: ObjectName,
    options: WriteOptions = {},
  ): Promise<Outcome<T>> {
    return this.send<T>('GET', objectPath(kind, name, options.subresource), {}, options)
  }

  /** One page of a list; `Expired` (410) when `continueToken` is too old. */
  async listPage<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    page: PageRequest,
    options: RequestOptions = {},
  ): Promise<Outcome<ListPage<T>>> {
    const { namespace, labelSelector, fieldSelector, limit, continueToken } = page
    const query = {
      labelSelector,
      fieldSelector,
      limit: limit ?? undefined,
      continue: continueToken,
    }
    const path = pathOf(kind, namespace === undefined ? {} : { namespace })
    const outcome = await this.send<ListBody<T>>('GET', path, { query }, options)
    if (!outcome.ok) return outcome
    const { items, metadata } = outcome.value
    for (const item of items ?? []) {
      // Lists leave out what every item has in common.
      item.apiVersion ??= kind.apiVersion
      item.kind ??= kind.kind
    }
    return {
      ok: true,
      value: {
        items: items ?? [],
        resourceVersion: metadata?.resourceVersion ?? '',
        continueToken: metadata?.continue || null,
      },
    }
  }

  /**
   * All pages of a list, as of one moment. When the server forgets that moment before the last
   * page, the whole is asked for at once. Each request has its own deadline.
   */
  async list<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    selection: Selection = {},
    options: RequestOptions & { pageCount?: number } = {},
  ): Promise<Outcome<Omit<ListPage<T>, 'continueToken'>>> {
    const limit = options.pageCount ?? PAGE_COUNT_DEFAULT
    let page = await this.listPage<T>(kind, { ...selection, limit }, options)
    const items: T[] = []
    while (page.ok && page.value.continueToken !== null) {
      for (const item of page.value.items) items.push(item)
      const { continueToken } = page.value
      page = await this.listPage<T>(kind, { ...selection, limit, continueToken }, options)
      if (!page.ok && page.failure.status === 410) {
        items.length = 0
        page = await this.listPage<T>(kind, { ...selection, limit: null }, options)
      }
    }
    if (!page.ok) return page
    for (const item of page.value.items) items.push(item)
    return { ok: true, value: { items, resourceVersion: page.value.resourceVersion } }
  }

  /** `AlreadyExists` when there is one of this name. Undecided when no answer came. */
  create<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    object: KubeObject,
    options: RequestOptions = {},
  ): Promise<Outcome<T>> {
    const { namespace } = object.metadata
    const path = pathOf(kind, namespace === undefined ? {} : { namespace })
    const query = { fieldManager: this.fieldManager }
    return this.send<T>('POST', path, { query, body: typed(kind, object) }, options)
  }

  /** Replaces all of it; `Conflict` unless `metadata.resourceVersion` is the newest. */
  replace<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    object: KubeObject,
    options: WriteOptions = {},
  ): Promise<Outcome<T>> {
    const path = objectPath(kind, nameOfObject(object), options.subresource)
    const query = { fieldManager: this.fieldManager }
    return this.send<T>('PUT', path, { query, body: typed(kind, object) }, options)
  }

  /**
   * Server-side apply: sets the fields that `object` has, takes away those that this program set
   * before and that are gone, and leaves others' alone. Creates it when it is absent.
   * https://kubernetes.io/docs/reference/using-api/server-side-apply/
   */
  apply<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    object: KubeObject,
    options: ApplyOptions = {},
  ): Promise<Outcome<T>> {
    const query = {
      fieldManager: this.fieldManager,
      force: options.force ?? true,
      dryRun: options.isDryRun === true ? 'All' : undefined,
    }
    return this.send<T>(
      'PATCH',
      objectPath(kind, nameOfObject(object), options.subresource),
      { query, body: typed(kind, object), contentType: 'application/apply-patch+yaml' },
      options,
    )
  }

  /** {@link apply} of the status alone; `NotFound` when there is no such object. */
  applyStatus<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    object: KubeObject,
    options: RequestOptions = {},
  ): Promise<Outcome<T>> {
    return this.apply<T>(kind, object, { ...options, subresource: 'status' })
  }

  /**
   * JSON merge patch (RFC 7386): `null` removes a field, lists are replaced. With
   * `metadata.resourceVersion` in it, a `Conflict` when the object changed since.
   */
  mergePatch<T extends KubeObject = KubeObject>(
    kind: ResourceKind,
    name: ObjectName,
    patch: Readonly<Record<string, unknown>>,
    options: WriteOptions = {},
  ): Promise<Outcome<T>> {
    return this.send<T>(
      'PATCH',
      objectPath(kind, name, options.subresource),
      {
        query: { fieldManager: this.fieldManager },
        body: patch,
        contentType: 'application/merge-patch+json',
      },
      options,
    )
  }

  /** The object as it went, or Kubernetes' Status. `Conflict` when a precondition fails. */
  delete(
    kind: ResourceKind,
    name: ObjectName,
    options: DeleteOptions = {},
  ): Promise<Outcome<Record<string, unknown>>> {
    const { uid, resourceVersion, propagation, gracePeriodSeconds } = options
    const preconditions = {
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    }
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      propagationPolicy: propagation ?? 'Background',
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
      ...(Object.keys(preconditions).length > 0 && { preconditions }),
    }
    return this.send('DELETE', objectPath(kind, name), { body }, options)
  }

  /** POST to a subresource: `eviction`, a service account's `token`. */
  createSubresource<T = Record<string, unknown>>(
    kind: ResourceKind,
    name: ObjectName,
    subresource: string,
    body: Readonly<Record<string, unknown>>,
    options: RequestOptions = {},
  ): Promise<Outcome<T>> {
    return this.send<T>('POST', objectPath(kind, name, subresource), { body }, options)
  }

  /** Any other request: discovery (`/apis`, `/version`), reviews. */
  raw<T = Record<string, unknown>>(
    method: KubeRequest['method'],
    path: string,
    body?: unknown,
    options: RequestOptions = {},
  ): Promise<Outcome<T>> {
    return this.send<T>(method, path, body === undefined ? {} : { body }, options)
  }

  /** A response line by line, for watches; see `watch.ts`. */
  stream(path: string, query: Required<KubeRequest>['query'], handlers: StreamHandlers): Stream {
    const request = { method: 'GET', path, query, deadlineMs: this.requestMs } as const
    return this.transport.stream(request, handlers)
  }

  /** Ends idle connections. */
  close(): void {
    this.transport.close()
  }

  private async send<T>(
    method: KubeRequest['method'],
    path: string,
    parts: Pick<KubeRequest, 'query' | 'body' | 'contentType'>,
    options: RequestOptions,
  ): Promise<Outcome<T>> {
    const { signal } = options
    const endMs = this.clock.nowMs() + (options.deadlineMs ?? this.requestMs)
    for (let tries = 0; ; tries++) {
      const deadlineMs = endMs - this.clock.nowMs()
      const outcome = await this.transport.request({ method, path, ...parts, deadlineMs, signal })
      // The transport parses; what the fields are is between the server and the caller.
      if (outcome.ok) return outcome as Outcome<T>
      const { retryAfterMs, isUndecided } = outcome.failure
      if (retryAfterMs === null || isUndecided || tries === RETRIES_MAX) return outcome
      if (this.clock.nowMs() + retryAfterMs >= endMs) return outcome
      await sleep(this.clock, retryAfterMs, signal)
      if (signal?.aborted) return outcome
    }
  }
}

interface ListBody<T> {
  readonly items?: T[] | null
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
}

function objectPath(kind: ResourceKind, name: ObjectName, subresource?: string): string {
  return pathOf(kind, { ...name, ...(subresource !== undefined && { subresource }) })
}

/** Bodies must say what they are. */
function typed(kind: ResourceKind, object: KubeObject): KubeObject {
  return { ...object, apiVersion: kind.apiVersion, kind: kind.kind }
}
