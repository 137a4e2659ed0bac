import type { Table } from './image.ts'

/** One change of a table's entry; `undefined` is "no such entry". */
export interface Change<K, V> {
  readonly key: K
  readonly before: V | undefined
  readonly after: V | undefined
}

/** Undoes one change, and nothing that came before it. */
export type Undo = () => void

/**
 * A table that lies over another one and keeps its changes to itself until {@link Overlay.commit}.
 * Costs what is changed, whatever the size of the table below. `onChange` hears of every change.
 */
export class Overlay<K, V> implements Table<K, V> {
  private readonly base: Map<K, V>
  private readonly changed = new Map<K, V | undefined>()
  private readonly onChange: (change: Change<K, V>, undo: Undo) => void

  constructor(base: Map<K, V>, onChange: (change: Change<K, V>, undo: Undo) => void) {
    this.base = base
    this.onChange = onChange
  }

  get(key: K): V | undefined {
    const value = this.changed.get(key)
    if (value !== undefined || this.changed.has(key)) return value
    return this.base.get(key)
  }

  has(key: K): boolean {
    return this.get(key) !== undefined
  }

  set(key: K, value: V): void {
    this.change(key, value)
  }

  delete(key: K): void {
    this.change(key, undefined)
  }

  private change(key: K, after: V | undefined): void {
    const { changed } = this
    const wasChanged = changed.has(key)
    const earlier = changed.get(key)
    const before = wasChanged ? earlier : this.base.get(key)
    changed.set(key, after)
    this.onChange({ key, before, after }, () => {
      if (wasChanged) changed.set(key, earlier)
      else changed.delete(key)
    })
  }

  *entries(): Generator<[K, V]> {
    for (const [key, value] of this.base) {
      if (!this.changed.has(key)) yield [key, value]
    }
    for (const [key, value] of this.changed) {
      if (value !== undefined) yield [key, value]
    }
  }

  *keys(): Generator<K> {
    for (const [key] of this.entries()) yield key
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value
  }

  /** Puts a copy in the place of an equal value: nobody is told, and no undo takes it back. */
  replaceByCopy(key: K, copy: V): void {
    this.changed.set(key, copy)
  }

  /** Writes the changes into the table below. */
  commit(): void {
    for (const [key, value] of this.changed) {
      if (value === undefined) this.base.delete(key)
      else this.base.set(key, value)
    }
    this.changed.clear()
  }
}
