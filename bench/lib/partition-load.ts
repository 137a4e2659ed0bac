import { JavaLoad } from './java-load.ts'

const MEBIBYTE = 1024 * 1024
const RECORD_BYTES = 1024
/** For reading what a long run wrote, beside whatever else the machine does. */
const READ_MS_MAX = 5 * 60_000

/** What one partition lived through since the mark, in ms; see PartitionLoad.java. */
interface PartitionTimes {
  readonly waitMs: number
  readonly gapMs: number
  /** From the mark to the first acknowledgement of a later record; -1: there was none. */
  readonly writableMs: number
}

interface LoadAnswer {
  readonly sent: number
  readonly acknowledged: number
  readonly failed: number
  readonly waitMsBefore: readonly [number, number]
  readonly partitions: readonly (readonly [number, number, number])[]
}

export interface LoadTimes {
  readonly failed: number
  readonly acknowledged: number
  readonly unacknowledged: number
  readonly waitMsMedianBefore: number
  readonly waitMsP99Before: number
  readonly partitions: readonly PartitionTimes[]
}

interface PartitionLoadOptions {
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly partitions: number
  readonly producers: number
  readonly mebibytesPerSecond: number
  readonly batchRecords: number
}

/** Producers with a steady rate over many partitions (bench/load/PartitionLoad.java). */
export class PartitionLoad {
  private readonly load: JavaLoad

  private constructor(load: JavaLoad) {
    this.load = load
  }

  static async start(options: PartitionLoadOptions): Promise<PartitionLoad> {
    const { bootstrap, topic, partitions, producers, mebibytesPerSecond, batchRecords } = options
    const recordsPerSecond = (mebibytesPerSecond * MEBIBYTE) / RECORD_BYTES
    const load = await JavaLoad.start('PartitionLoad', [
      ...[bootstrap.join(','), topic, partitions, producers],
      ...[recordsPerSecond, RECORD_BYTES, batchRecords],
    ])
    return new PartitionLoad(load)
  }

  /** From now on it counts. */
  async mark(): Promise<void> {
    await this.load.ask('mark')
  }

  async times(): Promise<LoadTimes> {
    return timesOf(await this.load.ask('report'))
  }

  /** Sends no more; resolves once all that was sent has been answered. */
  async finish(): Promise<LoadTimes> {
    return timesOf(await this.load.ask('finish'))
  }

  /**
   * Reads the whole topic, to be called once finished: how many records are there, and how many are
   * not at the place that they have where nothing was lost and nothing doubled.
   */
  async read(): Promise<{ records: number; misplaced: number }> {
    return JSON.parse(await this.load.ask('read', READ_MS_MAX))
  }

  async stop(): Promise<void> {
    await this.load.child.end('SIGKILL')
  }
}

function timesOf(line: string): LoadTimes {
  const { sent, acknowledged, failed, waitMsBefore, partitions } = JSON.parse(line) as LoadAnswer
  return {
    failed,
    acknowledged,
    unacknowledged: sent - acknowledged - failed,
    waitMsMedianBefore: waitMsBefore[0],
    waitMsP99Before: waitMsBefore[1],
    partitions: partitions.map(([waitMs, gapMs, writableMs]) => ({ waitMs, gapMs, writableMs })),
  }
}
