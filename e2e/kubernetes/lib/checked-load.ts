import { PartitionLoad } from '../../../bench/lib/partition-load.ts'
import { closing } from './closing.ts'
import { noteLosses } from './losses.ts'
import type { Product } from './product.ts'

export interface CheckedLoadOptions {
  readonly product: Product
  readonly bootstrap: readonly string[]
  /** Made for it; nobody else writes to it. */
  readonly topic: string
  readonly partitions: number
  readonly mebibytesPerSecond: number
  readonly batchRecords?: number
}

/** Idempotent Java producers that write evenly to a topic of their own, which is read at the end. */
export class CheckedLoad {
  readonly partitions: PartitionLoad
  private readonly options: CheckedLoadOptions
  private ended: ReturnType<PartitionLoad['finish']> | null = null

  private constructor(options: CheckedLoadOptions, partitions: PartitionLoad) {
    this.options = options
    this.partitions = partitions
  }

  static async start(options: CheckedLoadOptions): Promise<CheckedLoad> {
    const { product, bootstrap, topic, partitions, mebibytesPerSecond } = options
    const { batchRecords = 10 } = options
    await product.createTopic(bootstrap, topic, partitions)
    const load = await PartitionLoad.start({
      ...{ bootstrap, topic, partitions, producers: 4, mebibytesPerSecond, batchRecords },
    })
    closing({ close: () => load.stop() })
    return new CheckedLoad(options, load)
  }

  /** Sends no more; resolves once all that was sent has been answered. */
  end(): ReturnType<PartitionLoad['finish']> {
    this.ended ??= this.partitions.finish()
    return this.ended
  }

  /**
   * Ends it, and returns what was wrong: records that a producer gave up or heard nothing of, that
   * were acknowledged and are not there, or are there twice or in another order.
   */
  async faults(): Promise<string[]> {
    const { topic } = this.options
    const { failed, acknowledged, unacknowledged } = await this.end()
    const faults: string[] = []
    if (failed > 0) faults.push(`${topic}: ${failed} records failed`)
    if (unacknowledged > 0) faults.push(`${topic}: ${unacknowledged} records without an answer`)
    const { records, misplaced } = await this.partitions.read()
    const losses: string[] = []
    if (misplaced > 0) losses.push(`${topic}: ${misplaced} records are not where they belong`)
    if (records !== acknowledged || records === 0) {
      losses.push(`${topic}: ${acknowledged} records acknowledged, ${records} there`)
    }
    return [...faults, ...noteLosses(losses)]
  }
}
