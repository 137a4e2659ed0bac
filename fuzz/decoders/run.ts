import { systemClock } from '../../base/clock.ts'
import { seededRandom, type Random } from '../../base/random.ts'
import { readCorpus } from '../corpus.ts'
import { grown, mutated } from './mutate.ts'
import { type Outcome, outcomeOf, type Target } from './target.ts'

const MEBIBYTE = 1024 * 1024
/** How long one target has its turn. What it is fed with depends on the seed alone. */
const SLICE_MS = 50
const INPUT_BYTES_MAX = 16 * 1024
/** One input in so many is a large one, whose time and memory are looked at. */
const LARGE_EVERY = 2_048
const LARGE_BYTES = MEBIBYTE
/** What reading a large input may leave in memory, by its size: an element of a byte takes some 100. */
const MEMORY_RATIO_MAX = 200
const MEMORY_BYTES_FREE = 128 * MEBIBYTE
/** Far more than any takes, on a machine that has other things to do too. */
const INPUT_MS_MAX = 10_000
/** Inputs that are changed further; the corpus of outcomes itself is bounded by the messages there are. */
const POOL_MAX = 20_000
/** Three of four changed inputs get right checksums: the others would seldom get past them. */
const REPAIRED_OF_FOUR = 3

/** An input that shows a fault of ours. */
export interface Finding {
  readonly target: string
  readonly input: Buffer
  readonly what: string
}

/** Feeds one target with inputs, each of which follows from the seed and those before it. */
export class Feeder {
  readonly target: Target
  inputCount = 0
  finding: Finding | null = null
  slowestMs = 0
  /** The first input of each kind of outcome, but for those of seeds and corpus. */
  readonly novel = new Map<string, Buffer>()
  private readonly random: Random
  private readonly pool: Buffer[]
  private readonly outcomes = new Set<string>()
  private readonly kinds = new Set<string>()
  private first = 0

  constructor(target: Target, seed: number) {
    this.target = target
    this.random = seededRandom(seed)
    this.pool = [...readCorpus(target.name), ...target.seeds(this.random)]
  }

  get outcomeCount(): number {
    return this.outcomes.size
  }

  /** Inputs for a while; the first ones are the corpus and the seeds as they are. */
  async slice(): Promise<void> {
    const endMs = systemClock.nowMs() + SLICE_MS
    while (this.finding === null && systemClock.nowMs() < endMs) {
      const isFirst = this.first < this.pool.length && this.inputCount === this.first
      const input = isFirst ? (this.pool[this.first++] as Buffer) : this.next()
      const isLarge = this.inputCount++ % LARGE_EVERY === LARGE_EVERY - 1
      // The reader may change its input.
      const given = Buffer.from(input)
      const result = isLarge ? this.large(given) : this.timed(given)
      const outcome = result instanceof Promise ? await result : result
      this.note(input, outcome, isFirst)
    }
  }

  private next(): Buffer {
    const { random, pool } = this
    const base = pool[random.below(pool.length)] as Buffer
    const other = pool[random.below(pool.length)] as Buffer
    const isLarge = this.inputCount % LARGE_EVERY === LARGE_EVERY - 1
    const input = isLarge
      ? grown(random, base, LARGE_BYTES)
      : mutated(random, base, other, INPUT_BYTES_MAX)
    if (random.below(4) < REPAIRED_OF_FOUR) this.target.repair?.(input)
    return input
  }

  private timed(input: Buffer): Outcome | Promise<Outcome> {
    const startMs = systemClock.nowMs()
    const outcome = outcomeOf(this.target, input)
    this.slowestMs = Math.max(this.slowestMs, systemClock.nowMs() - startMs)
    return outcome
  }

  private async large(input: Buffer): Promise<Outcome> {
    const before = process.memoryUsage()
    const outcome = await this.timed(input)
    const after = process.memoryUsage()
    const bytes = after.heapUsed + after.external - before.heapUsed - before.external
    if (bytes <= input.length * MEMORY_RATIO_MAX + MEMORY_BYTES_FREE) return outcome
    return { ...outcome, fault: new Error(`reading ${input.length} bytes took ${bytes} of memory`) }
  }

  private note(input: Buffer, outcome: Outcome, isFirst: boolean): void {
    const isSlow = this.slowestMs > INPUT_MS_MAX
    const fault = outcome.fault ?? (isSlow ? new Error(`it took ${this.slowestMs} ms`) : null)
    if (fault !== null) {
      this.finding = { target: this.target.name, input, what: fault.stack ?? fault.message }
      return
    }
    if (this.outcomes.has(outcome.name)) return
    this.outcomes.add(outcome.name)
    if (!this.kinds.has(outcome.kind)) {
      this.kinds.add(outcome.kind)
      if (!isFirst) this.novel.set(outcome.kind, input)
    }
    if (!isFirst && this.pool.length < POOL_MAX && input.length <= INPUT_BYTES_MAX) {
      this.pool.push(input)
    }
  }
}

/** Feeds all targets in turn until `seconds` are over or something is found. */
export async function runDecoders(
  targets: readonly Target[],
  { seed, seconds }: { seed: number; seconds: number },
): Promise<Feeder[]> {
  const feeders = targets.map((target, index) => new Feeder(target, seed * 64 + index))
  const endMs = systemClock.nowMs() + seconds * 1_000
  do {
    for (const feeder of feeders) {
      for (let turn = feeder.target.weight ?? 1; turn > 0; turn--) await feeder.slice()
    }
  } while (systemClock.nowMs() < endMs && feeders.every(({ finding }) => finding === null))
  return feeders
}
