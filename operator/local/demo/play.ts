import { sleep, systemClock } from '../../../base/clock.ts'
import type { ServingRun } from '../run.ts'
import { type LoadOutcome, LoadProcess } from './load-process.ts'

const MB = 1_000_000
const LIGHT_BYTES_PER_SECOND = 0.5 * MB
const HEAVY_BYTES_PER_SECOND = 10 * MB
const LIGHT_MS = 15_000
/** How long the cluster is shown at its largest, before and after it loses a broker. */
const LARGE_MS = 12_000
/** How long it is shown at its smallest, at the end. */
const SMALL_MS = 6000
/** Growing and shrinking take less; a demo that hangs is none. */
const SCALE_MS_MAX = 90_000
const LOOK_MS = 200
/** The scale that the load and examples/demo.yaml are made for. */
const SMALL = 1
const LARGE = 3

/**
 * Light load, heavy load, the loss of a broker, light load: shows the cluster of examples/demo.yaml
 * grow from 1 to 3 brokers and shrink again, and checks that every record that was acknowledged is
 * there exactly once. Returns the exit code: 0 if so.
 */
export async function playDemo(
  run: ServingRun,
  show: (notes: () => readonly string[]) => void,
): Promise<number> {
  const { cluster, reporter, signal } = run
  const load = new LoadProcess(cluster.bootstrap, `demo-${systemClock.wallMs().toFixed(0)}`)
  let ended: LoadOutcome | null = null
  const outcome = load.outcome.then((result) => {
    ended = result
    return result
  })
  show(() => load.notes())
  const goesOn = (): boolean => !signal.aborted && ended === null
  const wait = async (ms: number): Promise<void> => {
    const endMs = systemClock.nowMs() + ms
    while (goesOn() && systemClock.nowMs() < endMs) await sleep(systemClock, LOOK_MS, signal)
  }
  const until = async (brokers: number): Promise<void> => {
    const endMs = systemClock.nowMs() + SCALE_MS_MAX
    while (goesOn() && cluster.activeCount !== brokers && systemClock.nowMs() < endMs) {
      await sleep(systemClock, LOOK_MS, signal)
    }
    if (goesOn() && cluster.activeCount !== brokers) {
      reporter.change(`demo: ${brokers} brokers were expected by now`)
    }
  }

  reporter.change('demo: a light load')
  load.setRate(LIGHT_BYTES_PER_SECOND)
  await wait(LIGHT_MS)
  if (goesOn()) reporter.change('demo: a heavy load')
  load.setRate(HEAVY_BYTES_PER_SECOND)
  await until(LARGE)
  await wait(LARGE_MS)
  if (goesOn()) reporter.change(`demo: ${cluster.killOne() ?? 'no broker'} is killed (SIGKILL)`)
  await wait(LARGE_MS)
  if (goesOn()) reporter.change('demo: a light load again')
  load.setRate(LIGHT_BYTES_PER_SECOND)
  await until(SMALL)
  await wait(SMALL_MS)
  if (goesOn()) reporter.change('demo: what was written is read to its end')
  load.finish()
  if (signal.aborted) {
    load.kill()
    return 0
  }
  const result = await Promise.race([outcome, aborted(signal)])
  load.kill()
  if (result === null) return 0
  const { words, good } = verdict(result)
  reporter.change(`demo: ${words}`)
  return good ? 0 : 1
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true })
  })
}

function verdict(outcome: LoadOutcome): { words: string; good: boolean } {
  if (outcome.kind === 'fault') return { words: `failed: ${outcome.message}`, good: false }
  const { acknowledged, findings, complete } = outcome
  const { read, missing, duplicated, misplaced } = findings
  const good = complete && missing === 0 && duplicated === 0 && misplaced === 0
  const counts =
    `${acknowledged} records acknowledged, ${read} read: ` +
    `${missing} lost, ${duplicated} duplicated, ${misplaced} out of place`
  if (good) return { words: `checked, all good: ${counts}`, good }
  const rest = complete ? '' : '; the end was not reached in time'
  return { words: `checked, NOT good: ${counts}${rest}`, good }
}
