import { type KubeObject, keyOf, nameOfObject, type ObjectName } from './objects.ts'

/** The index values of an object; objects are found by each of them. */
export type IndexFunction = (object: KubeObject) => readonly string[]

/** Index by the uid of every owner. */
export function byOwnerUid(object: KubeObject): readonly string[] {
  return (object.metadata.ownerReferences ?? []).map(({ uid }) => uid)
}

/** Index by the value of one label; objects without it are in no entry. */
export function byLabel(label: string): IndexFunction {
  return (object) => {
    const value = object.metadata.labels?.[label]
    return value === undefined ? [] : [value]
  }
}

/**
 * Objects by namespace and name, and by indexes. Whoever reads must not change them: they are
 * shared by all readers.
 */
export interface ObjectReader<T extends KubeObject = KubeObject> {
  readonly size: number
  get(name: ObjectName): T | undefined
  /** In no order that means anything. */
  all(): T[]
  /** Throws when there is no such index. */
  withIndex(index: string, value: string): T[]
}

/** The store behind {@link ObjectReader}, filled by an informer. */
export class ObjectCache<T extends KubeObject = KubeObject> implements ObjectReader<T> {
  private readonly objects = new Map<string, T>()
  private readonly indexFunctions: Readonly<Record<string, IndexFunction>>
  /** Index → value → keys. Values without keys have no entry. */
  private readonly indexes = new Map<string, Map<string, Set<string>>>()

  constructor(indexFunctions: Readonly<Record<string, IndexFunction>> = {}) {
    this.indexFunctions = indexFunctions
    for (const index of Object.keys(indexFunctions)) this.indexes.set(index, new Map())
  }

  get size(): number {
    return this.objects.size
  }

  get(name: ObjectName): T | undefined {
    return this.objects.get(keyOf(name))
  }

  all(): T[] {
    return [...this.objects.values()]
  }

  withIndex(index: string, value: string): T[] {
    const values = this.indexes.get(index)
    if (values === undefined) throw new Error(`no index of this name: ${index}`)
    const found: T[] = []
    for (const key of values.get(value) ?? []) {
      const object = this.objects.get(key)
      if (object !== undefined) found.push(object)
    }
    return found
  }

  /** Returns what was there before. */
  set(object: T): T | undefined {
    const key = keyOf(nameOfObject(object))
    const previous = this.objects.get(key)
    if (previous !== undefined) this.unlink(key, previous)
    this.objects.set(key, object)
    for (const [index, values] of this.indexes) {
      for (const value of this.indexFunctions[index]?.(object) ?? []) {
        const keys = values.get(value)
        if (keys === undefined) values.set(value, new Set([key]))
        else keys.add(key)
      }
    }
    return previous
  }

  /** Returns what was there. */
  delete(name: ObjectName): T | undefined {
    const key = keyOf(name)
    const previous = this.objects.get(key)
    if (previous === undefined) return undefined
    this.unlink(key, previous)
    this.objects.delete(key)
    return previous
  }

  private unlink(key: string, object: T): void {
    for (const [index, values] of this.indexes) {
      for (const value of this.indexFunctions[index]?.(object) ?? []) {
        const keys = values.get(value)
        keys?.delete(key)
        if (keys?.size === 0) values.delete(value)
      }
    }
  }
}
