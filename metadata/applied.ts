import { assert } from '../base/assert.ts'
import type { MetadataBatch } from './batch.ts'
import type { Touched } from './draft.ts'
import { Draft } from './draft.ts'
import { corrupt } from './framing.ts'
import type { Image } from './image.ts'
import { applyRecord, emptyImage, IMAGE_TABLES } from './image.ts'
import { metadataLogKey } from './keys.ts'
import { NonceWindow } from './nonces.ts'
import type { MetadataRecord } from './records.ts'
import type { MetadataState } from './snapshot.ts'
import { Subscribers } from './subscribers.ts'

/** What subscribers are told, after the image has changed. */
export interface AppliedDelta {
  /** The seq that the image is at now. */
  readonly seq: number
  /** What was applied, in order; empty after a reload. */
  readonly records: readonly MetadataRecord[]
  /** 'all' after a reload: compare everything. */
  readonly touched: Touched | 'all'
  /** The batches in between were trimmed: the image was replaced by a snapshot. */
  readonly reloaded: boolean
}

/** The image at a seq of the metadata log, moved on batch by batch. Does no I/O. */
export class AppliedState implements MetadataState {
  /** One object for ever: a reload changes its contents. */
  readonly image: Image = emptyImage()
  nonces = new NonceWindow()
  private readonly subscribers = new Subscribers<AppliedDelta>()

  get seq(): number {
    return this.nonces.lastSeq
  }

  /** `callback` is called after every change, in order. Returns the way to end that. */
  subscribe(callback: (delta: AppliedDelta) => void): () => void {
    return this.subscribers.add(callback)
  }

  /** Applies the next batch, whole or (throwing StoreError `corrupt`) not at all. */
  apply(batch: Pick<MetadataBatch, 'seq' | 'nonce' | 'records'>): void {
    assert(batch.seq === this.seq + 1, `batch ${batch.seq} does not follow ${this.seq}`)
    const draft = new Draft(this.image)
    try {
      for (const record of batch.records) applyRecord(draft, record)
    } catch (error) {
      // Another node's bug, or another release's rules: going on would be on another image.
      throw corrupt(metadataLogKey(batch.seq), 'its records cannot be applied', error)
    }
    const touched = draft.commit()
    this.nonces.push(batch.seq, batch.nonce)
    this.subscribers.tell({ seq: batch.seq, records: batch.records, touched, reloaded: false })
  }

  /** Takes the place of the present state, which must be older. */
  replace(state: MetadataState): void {
    assert(state.seq > this.seq, `snapshot ${state.seq} is older than ${this.seq}`)
    Object.assign(this.image.scalars, state.image.scalars)
    for (const name of IMAGE_TABLES) {
      refill(this.image[name] as Map<unknown, unknown>, state.image[name])
    }
    this.nonces = state.nonces
    this.subscribers.tell({ seq: this.seq, records: [], touched: 'all', reloaded: true })
  }
}

function refill(target: Map<unknown, unknown>, source: ReadonlyMap<unknown, unknown>): void {
  target.clear()
  for (const [key, value] of source) target.set(key, value)
}
