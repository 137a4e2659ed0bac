import { assert, present } from '../base/assert.ts'
import type { Image, ImageScalars, ImageState, NodeEntry, TopicEntry } from './image.ts'
import { IMAGE_TABLES } from './image.ts'
import type { Change, Undo } from './overlay.ts'
import { Overlay } from './overlay.ts'
import type { Ownership } from './records.ts'

/** What a run of records changed, for those who keep something beside the image. */
export interface Touched {
  /** Node ids whose entry is new, different or gone. */
  readonly nodes: ReadonlySet<number>
  /** Topic ids whose entry is new, different (partitions and configs included) or gone. */
  readonly topics: ReadonlySet<string>
  /** Topic id → indexes of the partitions that are new or have another ownership. */
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>
  /** Keys of `image.configs`: see configKey. */
  readonly configs: ReadonlySet<string>
  /** Whether any of `image.scalars` is different. */
  readonly scalars: boolean
}

/** One change, in the order in which they were made. */
export type DraftChange =
  | ({ readonly table: 'nodes' } & Change<number, NodeEntry>)
  | ({ readonly table: 'topics' } & Change<string, TopicEntry>)
  | ({ readonly table: 'topicIds' } & Change<string, string>)
  | ({ readonly table: 'configs' } & Change<string, string>)
  | ({ readonly table: 'nodeUses' } & Change<number, number>)
  | ({ readonly table: 'ownedCounts' } & Change<number, number>)
  | {
      readonly table: 'ownerships'
      readonly topicId: string
      readonly partition: number
      readonly before: Ownership
      readonly after: Ownership
    }

/** A point to come back to: {@link Draft.rollback}. */
export interface Mark {
  readonly changeCount: number
  readonly scalars: Readonly<ImageScalars>
}

/**
 * An image with changes that are not in it yet. It reads through to the image below, which must
 * stay as it is for as long as the draft is used; `commit` writes the changes into it. Everything
 * costs what is changed, never what the cluster has; only the partitions array of a topic is copied
 * whole, once per draft.
 */
export class Draft implements ImageState {
  readonly scalars: ImageScalars
  readonly nodes: Overlay<number, NodeEntry>
  readonly topics: Overlay<string, TopicEntry>
  readonly topicIds: Overlay<string, string>
  readonly configs: Overlay<string, string>
  readonly nodeUses: Overlay<number, number>
  readonly ownedCounts: Overlay<number, number>
  private readonly image: Image
  private readonly changes: DraftChange[] = []
  private readonly undos: Undo[] = []
  /** Partitions arrays made by this draft: nobody else has seen them, so they change in place. */
  private readonly ownArrays = new Set<readonly Ownership[]>()

  constructor(image: Image) {
    this.image = image
    this.scalars = { ...image.scalars }
    const { changes, undos } = this
    function journal<K, V>(base: Map<K, V>, table: (typeof IMAGE_TABLES)[number]): Overlay<K, V> {
      return new Overlay(base, (change, undo) => {
        // The table's name says what K and V are, which the compiler cannot follow here.
        changes.push({ table, ...change } as unknown as DraftChange)
        undos.push(undo)
      })
    }
    this.nodes = journal(image.nodes, 'nodes')
    this.topics = journal(image.topics, 'topics')
    this.topicIds = journal(image.topicIds, 'topicIds')
    this.configs = journal(image.configs, 'configs')
    this.nodeUses = journal(image.nodeUses, 'nodeUses')
    this.ownedCounts = journal(image.ownedCounts, 'ownedCounts')
  }

  setOwnership(topicId: string, partition: number, after: Ownership): void {
    const partitions = this.ownPartitions(topicId)
    const before = present(partitions[partition], `partition ${partition} of ${topicId}`)
    partitions[partition] = after
    this.changes.push({ table: 'ownerships', topicId, partition, before, after })
    this.undos.push(() => {
      partitions[partition] = before
    })
  }

  /** The topic's partitions, in an array that this draft may change. */
  private ownPartitions(topicId: string): Ownership[] {
    const topic = present(this.topics.get(topicId), `topic ${topicId}`)
    if (this.ownArrays.has(topic.partitions)) return topic.partitions as Ownership[]
    const partitions = topic.partitions.slice()
    this.ownArrays.add(partitions)
    this.topics.replaceByCopy(topicId, { ...topic, partitions })
    return partitions
  }

  mark(): Mark {
    return { changeCount: this.changes.length, scalars: { ...this.scalars } }
  }

  /** The changes made since `mark`. */
  changesSince(mark: Mark): readonly DraftChange[] {
    return this.changes.slice(mark.changeCount)
  }

  /** Undoes everything since `mark`. */
  rollback(mark: Mark): void {
    assert(mark.changeCount <= this.changes.length, 'a mark is rolled back to once')
    while (this.undos.length > mark.changeCount) {
      this.changes.pop()
      this.undos.pop()?.()
    }
    Object.assign(this.scalars, mark.scalars)
  }

  /** Writes the changes into the image below and says what they were. The draft is used up. */
  commit(): Touched {
    const touched = this.touched()
    Object.assign(this.image.scalars, this.scalars)
    for (const name of IMAGE_TABLES) this[name].commit()
    // An array that is in the image is an immutable value from now on.
    this.ownArrays.clear()
    return touched
  }

  private touched(): Touched {
    const { image, scalars } = this
    const nodes = new Set<number>()
    const topics = new Set<string>()
    const partitions = new Map<string, Set<number>>()
    const configs = new Set<string>()
    function add(topicId: string, start: number, end: number): void {
      topics.add(topicId)
      if (start >= end) return
      const indexes = partitions.get(topicId) ?? new Set()
      partitions.set(topicId, indexes)
      for (let partition = start; partition < end; partition++) indexes.add(partition)
    }
    for (const change of this.changes) {
      if (change.table === 'nodes') nodes.add(change.key)
      else if (change.table === 'configs') configs.add(change.key)
      else if (change.table === 'ownerships') {
        add(change.topicId, change.partition, change.partition + 1)
      } else if (change.table === 'topics') {
        const { before, after } = change
        add(change.key, before?.partitions.length ?? 0, after?.partitions.length ?? 0)
      }
    }
    const names = Object.keys(scalars) as (keyof ImageScalars)[]
    const isScalarTouched = names.some((name) => image.scalars[name] !== scalars[name])
    return { nodes, topics, partitions, configs, scalars: isScalarTouched }
  }
}
