import { expect, test } from '@jest/globals'
import { pause, until } from '../lib/wait.ts'
import { CheckedLoad } from './lib/checked-load.ts'
import { closing } from './lib/closing.ts'
import type { Product } from './lib/product.ts'
import { usesProduct } from './lib/product-hooks.ts'
import type { Spectator } from './lib/spectator.ts'
import { isEven, lastJoinedAtMs, movesSince, PodTimeline } from './lib/timeline.ts'

const TEST_MS_MAX = 8 * 60_000
const SCALED_MS_MAX = 120_000

let product: Product
usesProduct((started) => {
  product = started
})

/** Writes `/scale` and tells how long it took until all was as it should be. */
async function scaleTo(name: string, brokers: number, spectator: Spectator): Promise<void> {
  const timeline = new PodTimeline(product, name)
  const sinceMs = Date.now()
  await product.scale(name, brokers)
  await until(
    `${brokers} brokers have even shares`,
    () =>
      isEven(spectator, brokers) && timeline.count === brokers && timeline.readyAtMs.has(brokers),
    SCALED_MS_MAX,
  )
  await timeline.close()
  const endMs = Date.now()
  const moves = movesSince(spectator, sinceMs)
  const after = (ms: number | undefined): string =>
    `${(((ms ?? endMs) - sinceMs) / 1000).toFixed(1)} s`
  const stages = timeline.stagesOfNew.map(({ stage, atMs }) => `${stage} ${after(atMs)}`)
  const { firstAtMs = 0, lastAtMs = 0, doneAtMs = 0, partitions = 0 } = moves ?? {}
  // Each new broker gets its share as soon as it is there: what is left is what the last one waits for.
  const joinedAtMs = lastJoinedAtMs(spectator, sinceMs)
  console.info(
    `/scale to ${brokers}: all as it should be after ${after(endMs)}; the Deployment says so ` +
      `${after(timeline.orderedAtMs.get(brokers))}; the last new pod ` +
      `${stages.join(', ') || 'none'}; last pod gone ${after(timeline.goneAtMs || undefined)}, ` +
      `${partitions} moves from ${after(firstAtMs)} to ${after(lastAtMs)}, all written down ` +
      `${after(doneAtMs)}, ${((doneAtMs - (joinedAtMs ?? firstAtMs)) / 1000).toFixed(1)} s after the last ` +
      `${joinedAtMs === null ? 'drain had begun' : 'broker had come'}`,
  )
}

/** From six to three, and back to six while brokers are being emptied: all of them stay. */
async function changeOfMind(name: string, spectator: Spectator): Promise<void> {
  const uids = async (): Promise<string[]> =>
    (await product.pods(name)).map(({ metadata }) => metadata.uid ?? '').sort()
  const before = await uids()
  const sinceMs = Date.now()
  await product.scale(name, 3)
  const isDraining = (): boolean =>
    spectator.newest.nodes.some((node) => node.state === 'draining' && node.partitions > 0)
  await until('brokers are being emptied', isDraining)
  await product.scale(name, 6)
  await until('six brokers have even shares', () => isEven(spectator, 6), SCALED_MS_MAX)
  await product.settled(name, 6)
  expect(await uids()).toEqual(before)
  const seen = spectator.sights.filter(({ atMs }) => atMs >= sinceMs)
  const drains = Math.max(...seen.map(({ nodes }) => drainingCount(nodes)))
  const moves = movesSince(spectator, sinceMs)
  console.info(
    `/scale to 3 and back to 6 at once: ${drains} drains begun, ${moves?.partitions ?? 0} moves, ` +
      `all as before after ${(((moves?.doneAtMs ?? sinceMs) - sinceMs) / 1000).toFixed(1)} s`,
  )
  expect(drains).toBe(3)
}

function drainingCount(nodes: Spectator['newest']['nodes']): number {
  return nodes.filter(({ state }) => state === 'draining').length
}

test(
  '/scale 3 → 6 → 3 with 300 partitions at 10 MiB/s',
  async () => {
    const name = 'figures'
    await product.apply(name, { replicas: 3 })
    await product.settled(name, 3)
    const bootstrap = await product.bootstrap(name)
    const spectator = closing(await product.spectator(name))
    const load = await CheckedLoad.start({
      ...{ product, bootstrap, topic: 'load', partitions: 300, mebibytesPerSecond: 10 },
    })
    await until('three brokers have even shares', () => isEven(spectator, 3))
    await pause(10_000)
    await load.partitions.mark()
    await scaleTo(name, 6, spectator)
    const out = await load.partitions.times()
    await pause(5_000)
    await changeOfMind(name, spectator)
    await pause(5_000)
    await load.partitions.mark()
    await scaleTo(name, 3, spectator)
    const scaledIn = await load.partitions.times()
    const longest = (times: typeof out): number =>
      Math.round(Math.max(...times.partitions.map(({ waitMs }) => waitMs)))
    console.info(
      `the longest that a record waited: ${longest(out)} ms (out), ${longest(scaledIn)} ms (in)`,
    )
    expect(await load.faults()).toEqual([])
    await product.remove(name)
  },
  TEST_MS_MAX,
)
