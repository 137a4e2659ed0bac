import type { Workspace } from './workspace.ts'

/** How much is measured. `--short` takes less of everything, to see that all of it works. */
export interface BenchSettings {
  readonly isShort: boolean
  /** Each broker is under load for so long before anything counts. */
  readonly warmSeconds: number
  /** Rounds of A B B A. */
  readonly rounds: number
  /** What one run at full load writes. */
  readonly runMebibytes: number
  readonly latencySeconds: number
  readonly fetchSeconds: number
  /** Left alone for so long before it counts: clients start, and compile themselves. */
  readonly settleSeconds: number
  readonly idleSeconds: number
  /** Partitions of the broker that is emptied or killed; the cluster has twice as many. */
  readonly movedPartitions: number
  /** What producers write meanwhile, over both brokers. */
  readonly moveMebibytesPerSecond: number
  /** Records of 1 KiB that a producer sends to a partition at once. */
  readonly moveBatchRecords: number
  /** How often a move or a takeover is tried. */
  readonly tries: number
}

export const FULL_SETTINGS: BenchSettings = {
  isShort: false,
  warmSeconds: 60,
  rounds: 5,
  runMebibytes: 1536,
  latencySeconds: 30,
  fetchSeconds: 15,
  settleSeconds: 5,
  idleSeconds: 60,
  movedPartitions: 1_000,
  moveMebibytesPerSecond: 20,
  moveBatchRecords: 10,
  tries: 3,
}

export const SHORT_SETTINGS: BenchSettings = {
  isShort: true,
  warmSeconds: 2,
  rounds: 1,
  runMebibytes: 128,
  latencySeconds: 4,
  fetchSeconds: 3,
  settleSeconds: 2,
  idleSeconds: 2,
  movedPartitions: 200,
  moveMebibytesPerSecond: 2,
  moveBatchRecords: 10,
  tries: 1,
}

export interface BenchContext {
  readonly settings: BenchSettings
  readonly workspace: Workspace
  /** Says what happens now, for whoever waits. */
  say(text: string): void
}

/** A goal, and whether it was reached. */
export interface Verdict {
  readonly goal: string
  readonly reached: boolean
}

export interface FigureResult {
  readonly title: string
  /** The first row is the head. */
  readonly table: readonly (readonly string[])[]
  /** What a reader must know to understand the numbers. */
  readonly notes: readonly string[]
  readonly verdicts: readonly Verdict[]
  /** Everything that was measured, for the JSON file. */
  readonly data: unknown
}

/** One figure: a comparison that is measured, shown and judged as a whole. */
export interface Figure {
  readonly name: string
  readonly summary: string
  run(context: BenchContext): Promise<FigureResult>
}
