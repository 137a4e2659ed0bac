import { describe, expect, test } from '@jest/globals'
import { sleep } from '../base/clock.ts'
import { silentLogger } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import type { AppendResult } from './appender.ts'
import { AppendUnknown, RejectedProposal } from './errors.ts'
import type { ImageState } from './image.ts'
import { configKey } from './image.ts'
import { MetadataLog } from './log.ts'
import type { MetadataRecord } from './records.ts'
import type { Faults } from './testing/faulty-store.ts'
import { faultyStore } from './testing/faulty-store.ts'
import { randomRecords } from './testing/random-records.ts'
import { foldedImage } from './testing/recorded-store.ts'
import type { World } from './testing/world.ts'
import { clusterRecord, setting, world } from './testing/world.ts'

const FAULTS: Faults = {
  latencyMsMax: 20,
  failing: 60,
  conflicting: 50,
  losing: 60,
  delaying: 60,
  doubling: 60,
  lateMsMax: 20_000,
  pageSize: 2,
}

interface Outcome {
  readonly token: string
  readonly result: AppendResult | null
  readonly error: unknown
}

interface Run extends World {
  readonly seed: number
  readonly logs: MetadataLog[]
  readonly outcomes: Outcome[]
  reloadCount: number
  /** What broke a property in the middle of the run. */
  readonly complaints: string[]
}

/** Records the next number of the count and the token, and something at random that may follow. */
function increment(image: ImageState, token: string, seed: number): MetadataRecord[] {
  const old = image.configs.get(configKey('cluster', '', 'count')) ?? '0'
  const count = setting('count', String(Number(old) + 1))
  return [count, setting(token), ...randomRecords(image, seededRandom(seed))]
}

/** A log behind its own bad network; every second one follows the log, the others sleep between. */
async function join(run: Run, index: number): Promise<MetadataLog> {
  const { clock, seed } = run
  const random = seededRandom(seed * 100 + index)
  const store = faultyStore(run.store, { clock, random, faults: FAULTS })
  const log = new MetadataLog({ clock, random, logger: silentLogger, store, pollMs: 500 })
  let heardSeq = 0
  log.onApplied(({ seq, reloaded, records, touched }) => {
    const isNext = reloaded ? seq > heardSeq : seq === heardSeq + 1
    if (!isNext) run.complaints.push(`log ${index} tells ${seq} after ${heardSeq}`)
    if (reloaded !== (touched === 'all') || (reloaded && records.length > 0)) {
      run.complaints.push(`log ${index} tells of a reload, and of records`)
    }
    heardSeq = seq
    if (reloaded) run.reloadCount++
  })
  run.logs.push(log)
  await log.open(() => [clusterRecord(`c${index}`)])
  if (index % 2 === 0) log.start()
  return log
}

/** Appends now and then: some of it together, some of it to be refused. */
async function write(run: Run, index: number): Promise<void> {
  const { clock, seed } = run
  const random = seededRandom(seed * 1_000 + index)
  const log = await join(run, index)
  for (let turn = 0; turn < 12; turn++) {
    const group = Array.from({ length: 1 + random.below(3) }, async (_, member) => {
      const token = `${index}/${turn}/${member}`
      const isRefused = random.below(5) === 0
      const own = random.below(1_000_000)
      const appended = log.append((image) => {
        if (isRefused) throw new RejectedProposal(token)
        return increment(image, token, own)
      })
      await appended.then(
        (result) => run.outcomes.push({ token, result, error: null }),
        (error: unknown) => run.outcomes.push({ token, result: null, error }),
      )
    })
    await Promise.all(group)
    await sleep(clock, random.below(index % 2 === 0 ? 500 : 6_000))
  }
}

/** Compacts as if it were the only one to do so, keeping little. */
async function compact(run: Run, index: number): Promise<void> {
  const random = seededRandom(run.seed * 10_000 + index)
  const log = await join(run, index)
  for (let turn = 0; turn < 15; turn++) {
    await sleep(run.clock, random.below(3_000))
    try {
      if (random.below(4) > 0) await log.snapshot()
      await log.trim({ keepBatches: random.below(4) })
    } catch (error) {
      if ((error as Error).name !== 'StoreError') throw error
    }
  }
}

/** Looks at every log every few milliseconds: whoever calls itself fresh must be. */
async function watch(run: Run, signal: AbortSignal): Promise<void> {
  const { clock, store } = run
  while (!signal.aborted) {
    for (const [index, log] of run.logs.entries()) {
      const { headConfirmedAtMs, seq } = log
      const landed = store.history.filter(({ atMs }) => atMs < headConfirmedAtMs).length
      if (seq >= landed) continue
      run.complaints.push(`log ${index} at ${seq} confirms ${headConfirmedAtMs}, was ${landed}`)
    }
    await sleep(clock, 7)
  }
}

/** The tokens that `records` set, with the number of times that they do. */
function tokensOf(records: readonly MetadataRecord[]): string[] {
  return records.flatMap((record) =>
    record.type === 'config' && record.key.includes('/') ? [record.key] : [],
  )
}

async function simulate(seed: number): Promise<Run> {
  const run: Run = { ...world(), seed, logs: [], outcomes: [], reloadCount: 0, complaints: [] }
  const { clock } = run
  const ended = new AbortController()
  const watching = watch(run, ended.signal)
  const working = [0, 1, 2, 3, 4].map((index) => write(run, index))
  const compacting = [5, 6].map((index) => compact(run, index))
  await clock.run(Promise.all([...working, ...compacting]), 3_600_000)
  // Whatever is still on its way lands, and everybody looks once more.
  await clock.advanceBy(FAULTS.lateMsMax)
  for (const log of run.logs) await clock.run(untilRead(run, log), 7_200_000)
  ended.abort()
  await clock.run(watching)
  await clock.run(Promise.all(run.logs.map((log) => log.stop())))
  return run
}

async function untilRead(run: Run, log: MetadataLog): Promise<void> {
  for (;;) {
    try {
      return await log.catchUp()
    } catch (error) {
      if ((error as Error).name !== 'StoreError') throw error
      await sleep(run.clock, 50)
    }
  }
}

describe('many writers on a bad store, with trims at the same time', () => {
  const seeds = Array.from({ length: 30 }, (_, index) => index + 1)

  test.each(seeds)('keep one history (seed %i)', async (seed) => {
    const run = await simulate(seed)
    const { history } = run.store
    expect(run.complaints).toEqual([])
    const image = foldedImage(history)
    for (const log of run.logs) expect([log.seq, log.image]).toEqual([history.length, image])

    const places = new Map<string, number[]>()
    for (const { batch } of history) {
      for (const token of tokensOf(batch.records)) {
        places.set(token, [...(places.get(token) ?? []), batch.seq])
      }
    }
    for (const { token, result, error } of run.outcomes) {
      const found = places.get(token) ?? []
      if (result) expect([token, found]).toEqual([token, [result.seq]])
      else if (error instanceof AppendUnknown) expect(found.length).toBeLessThanOrEqual(1)
      else expect([token, found, error]).toEqual([token, [], expect.any(RejectedProposal)])
    }
    const count = image.configs.get(configKey('cluster', '', 'count'))
    expect(count).toBe(String(places.size))
    expect(run.outcomes.filter(({ result }) => result).length).toBeGreaterThan(40)
  })
})

test('the simulation meets what it is for', async () => {
  const met = { zombies: 0, reloads: 0, refused: 0, appended: 0 }
  for (let seed = 1; seed <= 5; seed++) {
    const run = await simulate(seed)
    met.zombies += run.store.zombieCount()
    met.reloads += run.reloadCount
    met.appended += run.outcomes.filter(({ result }) => result !== null).length
    met.refused += run.outcomes.filter(({ error }) => error instanceof RejectedProposal).length
  }
  for (const [what, count] of Object.entries(met)) {
    expect([what, count]).toEqual([what, expect.any(Number)])
    expect(count).toBeGreaterThan(10)
  }
})
