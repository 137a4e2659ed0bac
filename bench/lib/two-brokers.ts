import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { BenchContext } from './figure.ts'
import { type Bucket, folderBucket, type OurBroker, startOurs } from './our-broker.ts'
import { PartitionLoad, type LoadTimes } from './partition-load.ts'
import { createTopic, leadersOf } from './peer.ts'

export const PRODUCERS = 8
const EVEN_MS_MAX = 60_000
const STEADY_WAIT_MS = 1_000
/**
 * Drains before anything counts. A producer's first change of a leader runs code that its virtual
 * machine has never compiled, and learns of thousands of partitions with it: seen, 0.4 to 0.7 s.
 */
const WARMING_DRAINS = 2

/** Two brokers on one bucket, one topic evenly on both, and producers that write to all of it. */
export class TwoBrokers {
  readonly bucket: Bucket
  private both: readonly [OurBroker, OurBroker]
  /** The owner of each partition at the mark. */
  private owners: readonly number[] = []
  private readonly load: PartitionLoad

  private constructor(
    bucket: Bucket,
    brokers: readonly [OurBroker, OurBroker],
    load: PartitionLoad,
  ) {
    this.bucket = bucket
    this.both = brokers
    this.load = load
  }

  get brokers(): readonly [OurBroker, OurBroker] {
    return this.both
  }

  static async start(context: BenchContext): Promise<TwoBrokers> {
    const { movedPartitions, moveMebibytesPerSecond, moveBatchRecords } = context.settings
    const bucket = folderBucket(await context.workspace.newFolder('bucket'))
    const brokers: [OurBroker, OurBroker] = [await startOurs(bucket), await startOurs(bucket)]
    const partitions = 2 * movedPartitions
    const topic = await createTopic(brokers[0], partitions)
    await whenEven(brokers, topic, partitions)
    const load = await PartitionLoad.start({
      ...{ bootstrap: brokers.map((broker) => broker.bootstrap), topic, partitions },
      producers: PRODUCERS,
      mebibytesPerSecond: moveMebibytesPerSecond,
      batchRecords: moveBatchRecords,
    })
    const two = new TwoBrokers(bucket, brokers, load)
    // Every partition must have been written to before anything is measured.
    await two.settled(context.settings.settleSeconds)
    for (let drains = 0; drains < WARMING_DRAINS; drains++) await two.warm(topic, partitions)
    await two.settled(context.settings.settleSeconds)
    two.owners = await whenEven(two.brokers, topic, partitions)
    return two
  }

  /** A broker is drained and another takes its place; nothing of it is measured. */
  private async warm(topic: string, partitions: number): Promise<void> {
    const [drained, taker] = this.both
    drained.beginDrain()
    await drained.ended
    this.both = [taker, await startOurs(this.bucket)]
    await whenEven(this.both, topic, partitions)
  }

  /** Resolves once producers have been in step with their rate for a while. */
  private async settled(settleSeconds: number): Promise<void> {
    let waitMs = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 20; tries++) {
      await pause(settleSeconds * 1000)
      await this.load.mark()
      await pause(settleSeconds * 1000)
      const { partitions } = await this.load.times()
      waitMs = Math.max(...partitions.map((times) => times.waitMs))
      if (partitions.every(({ writableMs }) => writableMs >= 0) && waitMs < STEADY_WAIT_MS) return
    }
    throw new Error(
      `the brokers do not keep up with the load: records wait up to ${Math.round(waitMs)} ms, ` +
        'so that nothing could be measured',
    )
  }

  /** From now on it counts. */
  mark(): Promise<void> {
    return this.load.mark()
  }

  times(): Promise<LoadTimes> {
    return this.load.times()
  }

  /** Of all partitions, those that `nodeId` owned at first. */
  ownedBy<T>(nodeId: number, list: readonly T[]): T[] {
    return list.filter((_, partition) => this.owners[partition] === nodeId)
  }

  async stop(): Promise<void> {
    await this.load.stop()
    await Promise.all(this.brokers.map((broker) => broker.kill()))
    await rm(this.bucket.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function whenEven(
  brokers: readonly [OurBroker, OurBroker],
  topic: string,
  partitions: number,
): Promise<number[]> {
  const endMs = performance.now() + EVEN_MS_MAX
  for (;;) {
    const owners = await leadersOf(brokers[0], topic)
    const counts = brokers.map(({ nodeId }) => owners.filter((owner) => owner === nodeId).length)
    if (counts.every((count) => count >= partitions * 0.45)) return owners
    if (performance.now() > endMs) {
      throw new Error(`the partitions do not spread evenly: ${counts.join(' and ')}`)
    }
    await pause(200)
  }
}
