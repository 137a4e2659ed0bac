import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../objects.ts'

type Json = Record<string, unknown>

export interface FakeStatus {
  readonly code: number
  readonly reason: string
  readonly message: string
}

export type FakeResult = { readonly object: KubeObject; readonly isNew: boolean } | FakeStatus

export interface HistoryEntry {
  readonly resourceVersion: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly collection: string
  readonly object: KubeObject
  /** As it was before. */
  readonly previous: KubeObject | null
}

/** Where a request goes: `collection` is the path of the kind over all namespaces. */
export interface Target {
  readonly collection: string
  readonly namespace: string | null
  readonly name: string | null
  readonly subresource: string | null
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isJson(patch)) return patch
  const result: Json = isJson(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = mergePatched(result[name], value)
  }
  return result
}

/** Takes away what `before` set and `after` does not; lists are one value, as if atomic. */
function pruned(target: unknown, before: unknown, after: unknown): unknown {
  if (!isJson(target) || !isJson(before)) return target
  const result: Json = { ...target }
  for (const [name, value] of Object.entries(before)) {
    const next = isJson(after) ? after[name] : undefined
    if (isJson(value) && isJson(result[name])) {
      const left = pruned(result[name], value, next)
      if (next === undefined && isJson(left) && Object.keys(left).length === 0) delete result[name]
      else result[name] = left
    } else if (next === undefined) delete result[name]
  }
  return result
}

/** Server-side apply finds a conflict in a leaf that it would change and another manager set. */
function findConflict(current: unknown, applied: unknown, others: readonly unknown[]): boolean {
  if (!isJson(applied)) {
    return others.some((other) => other !== undefined && !isDeepStrictEqual(applied, current))
  }
  return Object.entries(applied).some(([name, value]) => {
    if (name === 'apiVersion' || name === 'kind' || name === 'name' || name === 'namespace') {
      return false
    }
    const below = others.map((other) => (isJson(other) ? other[name] : undefined))
    return findConflict(isJson(current) ? current[name] : undefined, value, below)
  })
}

/**
 * Objects with what the operator relies on of Kubernetes' storage: one growing resource version,
 * uids, optimistic locks, a status that only the subresource writes, finalizers, server-side apply
 * (lists as one value), no new version for a write that changes nothing. No schemas, no defaults.
 */
export class FakeObjects {
  readonly history: HistoryEntry[] = []
  resourceVersion = 100
  /** Nothing older than this is known any more. */
  oldestVersion = 100
  /** When objects are deleted that have finalizers. */
  deletionTimestamp = '2026-01-01T00:00:01Z'
  onChange: (entry: HistoryEntry) => void = () => {}
  private readonly collections = new Map<string, Map<string, KubeObject>>()
  private readonly applied = new Map<string, unknown>()
  private uidCount = 0

  list(collection: string, namespace: string | null): KubeObject[] {
    const objects = [...(this.collections.get(collection)?.entries() ?? [])]
    return objects
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
      .filter((object) => namespace === null || object.metadata.namespace === namespace)
  }

  get(target: Target): KubeObject | undefined {
    return this.collections.get(target.collection)?.get(keyOfTarget(target))
  }

  create(target: Target, body: KubeObject): FakeResult {
    const { generateName } = body.metadata
    const name = body.metadata.name ?? `${generateName}${(++this.uidCount).toString(36)}`
    const at = { ...target, name }
    if (this.get(at) !== undefined) return already(name)
    const metadata = {
      ...body.metadata,
      name,
      ...(target.namespace !== null && { namespace: target.namespace }),
      uid: `uid-${++this.uidCount}`,
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
    }
    return { object: this.store(at, { ...body, metadata }, null), isNew: true }
  }

  replace(target: Target, body: KubeObject): FakeResult {
    const current = this.get(target)
    if (current === undefined) return notFound(target)
    const { resourceVersion } = body.metadata
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) {
      return conflict('the object has been modified')
    }
    return this.update(target, current, body)
  }

  mergePatch(target: Target, patch: Json): FakeResult {
    const current = this.get(target)
    if (current === undefined) return notFound(target)
    const locked = (patch.metadata as { resourceVersion?: string } | undefined)?.resourceVersion
    if (locked && locked !== current.metadata.resourceVersion) return conflict('changed since')
    return this.update(target, current, mergePatched(current, patch) as KubeObject)
  }

  apply(target: Target, body: KubeObject, manager: string, isForced: boolean): FakeResult {
    const current = this.get(target)
    const slot = `${target.collection} ${keyOfTarget(target)} ${target.subresource ?? ''} `
    const remember = (): void => void this.applied.set(slot + manager, body)
    if (current === undefined) {
      if (target.subresource !== null) return notFound(target)
      remember()
      return this.create(target, body)
    }
    const others = [...this.applied.entries()]
      .filter(([key]) => key.startsWith(slot) && key !== slot + manager)
      .map(([, value]) => value)
    if (!isForced && findConflict(current, body, others)) return conflict('another manager set it')
    const kept = pruned(current, this.applied.get(slot + manager), body)
    remember()
    return this.update(target, current, mergePatched(kept, body) as KubeObject)
  }

  delete(target: Target, preconditions: { uid?: string; resourceVersion?: string }): FakeResult {
    const current = this.get(target)
    if (current === undefined) return notFound(target)
    const { metadata } = current
    if (preconditions.uid !== undefined && preconditions.uid !== metadata.uid) {
      return conflict('the uid in the precondition is another one')
    }
    const version = preconditions.resourceVersion
    if (version !== undefined && version !== metadata.resourceVersion) return conflict('changed')
    if ((metadata.finalizers ?? []).length === 0) return this.remove(target, current)
    if (metadata.deletionTimestamp !== undefined) return { object: current, isNew: false }
    const { deletionTimestamp } = this
    const marked = { ...current, metadata: { ...metadata, deletionTimestamp } }
    return { object: this.store(target, marked, current), isNew: false }
  }

  /** Forgets all history: watches and continued lists from before get 410. */
  compact(): void {
    this.oldestVersion = this.resourceVersion
    this.history.length = 0
  }

  private update(target: Target, current: KubeObject, wanted: KubeObject): FakeResult {
    const isStatus = target.subresource === 'status'
    const next: KubeObject = isStatus
      ? { ...current, status: wanted.status }
      : { ...wanted, ...('status' in current && { status: current.status }) }
    if (!isStatus && !('status' in current)) delete next.status
    next.metadata = {
      ...(isStatus ? current : wanted).metadata,
      uid: current.metadata.uid ?? '',
      resourceVersion: current.metadata.resourceVersion ?? '',
      generation: current.metadata.generation ?? 1,
      creationTimestamp: current.metadata.creationTimestamp ?? '',
    }
    const { deletionTimestamp } = current.metadata
    if (deletionTimestamp !== undefined) next.metadata.deletionTimestamp = deletionTimestamp
    if (isDeepStrictEqual(plain(next), plain(current))) return { object: current, isNew: false }
    if (!isDeepStrictEqual(plain(next.spec), plain(current.spec))) {
      next.metadata.generation = (current.metadata.generation ?? 1) + 1
    }
    if (deletionTimestamp !== undefined && (next.metadata.finalizers ?? []).length === 0) {
      return this.remove(target, next)
    }
    return { object: this.store(target, next, current), isNew: false }
  }

  private store(target: Target, object: KubeObject, previous: KubeObject | null): KubeObject {
    const collection = this.collections.get(target.collection) ?? new Map<string, KubeObject>()
    this.collections.set(target.collection, collection)
    const stored = this.stamped(object)
    collection.set(keyOfTarget(target), stored)
    this.tell(previous === null ? 'ADDED' : 'MODIFIED', target.collection, stored, previous)
    return stored
  }

  private remove(target: Target, current: KubeObject): FakeResult {
    this.collections.get(target.collection)?.delete(keyOfTarget(target))
    for (const key of this.applied.keys()) {
      if (key.startsWith(`${target.collection} ${keyOfTarget(target)} `)) this.applied.delete(key)
    }
    const gone = this.stamped(current)
    this.tell('DELETED', target.collection, gone, current)
    return { object: gone, isNew: false }
  }

  private stamped(object: KubeObject): KubeObject {
    const resourceVersion = String(++this.resourceVersion)
    return plain({ ...object, metadata: { ...object.metadata, resourceVersion } }) as KubeObject
  }

  private tell(
    type: HistoryEntry['type'],
    collection: string,
    object: KubeObject,
    previous: KubeObject | null,
  ): void {
    const { resourceVersion } = this
    const entry = { resourceVersion, type, collection, object, previous }
    this.history.push(entry)
    this.onChange(entry)
  }
}

/** Without undefined fields, and sharing nothing. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown)
}

function keyOfTarget(target: Target): string {
  return `${target.namespace ?? ''}/${target.name}`
}

function notFound(target: Target): FakeStatus {
  return { code: 404, reason: 'NotFound', message: `${target.collection} ${target.name} not found` }
}

function already(name: string): FakeStatus {
  return { code: 409, reason: 'AlreadyExists', message: `${name} already exists` }
}

function conflict(message: string): FakeStatus {
  return { code: 409, reason: 'Conflict', message }
}
