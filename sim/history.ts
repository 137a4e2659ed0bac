import type { World } from './world.ts'

/** What is known of one record that a producer made. */
interface Payload {
  readonly producer: string
  readonly isIdempotent: boolean
  /** Where it was acknowledged; -1 before. */
  partition: string
  offset: number
}

/** One record as some reader found it. */
export interface SeenRecord {
  readonly offset: number
  readonly payload: number
}

interface PartitionHistory {
  /** By offset: the payload that was acknowledged, or that a consumer saw, there. */
  readonly acked: Map<number, number>
  readonly seen: Map<number, number>
}

/** Everything that clients were told, and the properties that must hold of it. */
export class History {
  ackedCount = 0
  private readonly world: World
  private readonly payloads: Payload[] = []
  private readonly partitions = new Map<string, PartitionHistory>()

  constructor(world: World) {
    this.world = world
  }

  private of(partition: string): PartitionHistory {
    let history = this.partitions.get(partition)
    if (history === undefined) {
      history = { acked: new Map(), seen: new Map() }
      this.partitions.set(partition, history)
    }
    return history
  }

  /** A new payload, unique in the run. They rise in the order in which a producer makes them. */
  newPayload(producer: string, isIdempotent: boolean): number {
    this.payloads.push({ producer, isIdempotent, partition: '', offset: -1 })
    return this.payloads.length - 1
  }

  /** A producer was told that `payloads` are durable from `baseOffset` on. */
  acknowledged(partition: string, baseOffset: number, payloads: readonly number[]): void {
    const { acked, seen } = this.of(partition)
    for (const [index, id] of payloads.entries()) {
      const offset = baseOffset + index
      const payload = this.payloads[id] as Payload
      const where = `${partition} offset ${offset}`
      const other = acked.get(offset)
      if (other !== undefined && other !== id) {
        this.world.fail('no two owners acknowledge one offset', `${where}: ${other} and ${id}`)
      }
      const read = seen.get(offset)
      if (read !== undefined && read !== id) {
        this.world.fail('what is acknowledged is what is read', `${where}: ${id}, read ${read}`)
      }
      if (payload.isIdempotent && payload.offset >= 0 && payload.offset !== offset) {
        const why = `${id} was acknowledged at ${payload.offset} and at ${offset}`
        this.world.fail('an idempotent batch has one place', `${partition}: ${why}`)
      }
      if (payload.offset < 0) this.ackedCount++
      payload.partition = partition
      payload.offset = offset
      acked.set(offset, id)
    }
  }

  /** A consumer read `records` of `partition` from `fetchOffset` on. */
  consumed(partition: string, fetchOffset: number, records: readonly SeenRecord[]): void {
    const { acked, seen } = this.of(partition)
    let due = Math.min(fetchOffset, records[0]?.offset ?? fetchOffset)
    for (const { offset, payload } of records) {
      const where = `${partition} offset ${offset}`
      if (offset !== due) this.world.fail('offsets are dense', `${where}, due is ${due}`)
      due = offset + 1
      const before = seen.get(offset)
      if (before !== undefined && before !== payload) {
        this.world.fail('what a consumer saw stays', `${where}: ${before}, now ${payload}`)
      }
      const told = acked.get(offset)
      if (told !== undefined && told !== payload) {
        this.world.fail('no acknowledged record is lost', `${where}: ${told}, now ${payload}`)
      }
      seen.set(offset, payload)
    }
  }

  /** The whole log of a partition, as it is in the end. */
  finish(partition: string, records: readonly SeenRecord[], highWatermark: number): void {
    this.consumed(partition, 0, records)
    if (records.length !== highWatermark) {
      const why = `${records.length} records below the high watermark ${highWatermark}`
      this.world.fail('offsets are dense', `${partition}: ${why}`)
    }
    const { acked, seen } = this.of(partition)
    for (const [offset, id] of acked) {
      if (offset < highWatermark) continue
      this.world.fail('no acknowledged record is lost', `${partition}: ${id} at offset ${offset}`)
    }
    for (const offset of seen.keys()) {
      if (offset < highWatermark) continue
      this.world.fail('what a consumer saw stays', `${partition}: offset ${offset} is gone`)
    }
    this.checkProducers(partition, records)
  }

  private checkProducers(partition: string, records: readonly SeenRecord[]): void {
    const newest = new Map<string, number>()
    const places = new Map<number, number>()
    for (const { offset, payload: id } of records) {
      const payload = this.payloads[id]
      if (payload === undefined) {
        this.world.fail('nothing is read that nobody wrote', `${partition} offset ${offset}: ${id}`)
        return
      }
      if (!payload.isIdempotent) continue
      const twice = places.get(id)
      if (twice !== undefined) {
        const why = `${id} at offsets ${twice} and ${offset}`
        this.world.fail('no duplicate from idempotent producers', `${partition}: ${why}`)
      }
      places.set(id, offset)
      const before = newest.get(payload.producer) ?? -1
      if (id < before) {
        const why = `${id} of ${payload.producer} lies behind ${before}`
        this.world.fail('idempotent producers keep their order', `${partition}: ${why}`)
      }
      newest.set(payload.producer, id)
    }
  }
}
