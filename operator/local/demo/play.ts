import { sleep, systemClock } from '../../../base/clock.ts'
import type { ServingRun } from '../run.ts'
import { type LoadOutcome, LoadProcess } from './load-process.ts'
import { verdictOf } from './verdict.ts'

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
/** As of a process that ended by Ctrl-C: what was not shown to its end was not shown. */
const INTERRUPTED_CODE = 130

/**
 * Light load, heavy load, the loss of a broker, light load: shows the cluster of examples/demo.yaml
 * grow from 1 to 3 brokers and shrink again, and checks that every record that was acknowledged is
 * there exactly once. Returns the exit code: 0 if all of that was so, and in time.
 */
export async function playDemo(
  run: ServingRun,
  show: (notes: () => readonly string[]) => void,
): Promise<number> {
  const { cluster, reporter, signal } = run
  const startedAtMs = systemClock.nowMs()
  const load = new LoadProcess(cluster.bootstrap, `demo-${systemClock.wallMs().toFixed(0)}`)
  show(() => load.notes())
  const scale = await playStages(run, load)
  load.finish()
  const outcome = signal.aborted ? null : await Promise.race([load.outcome, aborted(signal)])
  load.kill()
  if (outcome === null) return INTERRUPTED_CODE
  const totalMs = systemClock.nowMs() - startedAtMs
  const { words, good } = verdictOf({ ...scale, totalMs, load: outcome })
  reporter.change(`demo: ${words}`)
  return good ? 0 : 1
}

/** All that is to be seen. Ends early when the load has failed, or the run is to end. */
async function playStages(
  { cluster, reporter, signal }: ServingRun,
  load: LoadProcess,
): Promise<{ grew: boolean; shrank: boolean }> {
  let ended: LoadOutcome | null = null
  void load.outcome.then((result) => {
    ended = result
  })
  const goesOn = (): boolean => !signal.aborted && ended === null
  const tell = (words: string): void => {
    if (goesOn()) reporter.change(`demo: ${words}`)
  }
  const wait = async (ms: number): Promise<void> => {
    const endMs = systemClock.nowMs() + ms
    while (goesOn() && systemClock.nowMs() < endMs) await sleep(systemClock, LOOK_MS, signal)
  }
  /** Whether so many brokers serve, as soon as they do. */
  const until = async (brokers: number): Promise<boolean> => {
    const endMs = systemClock.nowMs() + SCALE_MS_MAX
    while (goesOn() && cluster.activeCount !== brokers && systemClock.nowMs() < endMs) {
      await sleep(systemClock, LOOK_MS, signal)
    }
    const reached = cluster.activeCount === brokers
    if (!reached) tell(`${brokers} brokers were expected by now`)
    return reached
  }

  tell('a light load')
  load.setRate(LIGHT_BYTES_PER_SECOND)
  await wait(LIGHT_MS)
  tell('a heavy load')
  load.setRate(HEAVY_BYTES_PER_SECOND)
  const grew = await until(LARGE)
  await wait(LARGE_MS)
  if (goesOn()) tell(`${cluster.killOne() ?? 'no broker'} is killed (SIGKILL)`)
  await wait(LARGE_MS)
  tell('a light load again')
  load.setRate(LIGHT_BYTES_PER_SECOND)
  const shrank = await until(SMALL)
  await wait(SMALL_MS)
  tell('what was written is read to its end')
  return { grew, shrank }
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true })
  })
}
