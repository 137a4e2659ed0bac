import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { PartitionLoad } from '../../bench/lib/partition-load.ts'
import { fetchKafkaTools, kafkaTool } from '../lib/kafka-tools.ts'
import { pause, until } from '../lib/wait.ts'
import { argo, argoManifest } from './lib/argo.ts'
import { Product, START_MS_MAX } from './lib/product.ts'
import type { Spectator } from './lib/spectator.ts'
import { movesSince, PodTimeline } from './lib/timeline.ts'
import { Traffic } from './lib/traffic.ts'

const TEST_MS_MAX = 8 * 60_000
const SCALED_MS_MAX = 120_000
/** Of an even share; what is closer counts as balanced. */
const SHARE_TOLERANCE = 0.25

let product: Product
const open: { close(): Promise<void> }[] = []
beforeAll(async () => {
  await fetchKafkaTools()
  product = await Product.start()
}, START_MS_MAX)
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()))
})
afterAll(() => product?.stop(), 60_000)

function closing<T extends { close(): Promise<void> }>(one: T): T {
  open.push(one)
  return one
}

function isEven({ shares, newest }: Spectator, brokers: number): boolean {
  if (shares.length !== brokers || !newest.isBalanced) return false
  const even = shares.reduce((sum, each) => sum + each, 0) / brokers
  return shares.every((share) => Math.abs(share - even) <= Math.max(2, SHARE_TOLERANCE * even))
}

/** Writes `/scale` and tells how long it took until all was as it should be. */
async function scaleTo(name: string, brokers: number, spectator: Spectator): Promise<number> {
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
  const { firstAtMs = 0, lastAtMs = 0, doneAtMs = 0, partitions = 0 } = moves ?? {}
  console.info(
    `/scale to ${brokers}: all as it should be after ${after(endMs)}; pods ready ` +
      `${after(timeline.readyAtMs.get(brokers))}, last pod gone ${after(timeline.goneAtMs || undefined)}, ` +
      `${partitions} moves from ${after(firstAtMs)} to ${after(lastAtMs)} ` +
      `(${lastAtMs - firstAtMs} ms), all written down ${after(doneAtMs)}`,
  )
  return endMs - sinceMs
}

test(
  '/scale 3 → 6 → 3 with 300 partitions at 10 MiB/s',
  async () => {
    const [name, topic, partitions] = ['figures', 'load', 300]
    await product.apply(name, { replicas: 3 })
    await product.settled(name, 3)
    const bootstrap = await product.bootstrap(name)
    await product.createTopic(bootstrap, topic, partitions)
    const spectator = closing(await product.spectator(name))
    await until('three brokers have even shares', () => isEven(spectator, 3))
    const load = await PartitionLoad.start({
      ...{ bootstrap, topic, partitions, producers: 4, mebibytesPerSecond: 10, batchRecords: 10 },
    })
    open.push({ close: () => load.stop() })
    await pause(10_000)
    await load.mark()
    await scaleTo(name, 6, spectator)
    const out = await load.times()
    await pause(5_000)
    await load.mark()
    await scaleTo(name, 3, spectator)
    const scaledIn = await load.times()
    const longest = (times: typeof out): number =>
      Math.round(Math.max(...times.partitions.map(({ waitMs }) => waitMs)))
    console.info(
      `the longest that a record waited: ${longest(out)} ms (out), ${longest(scaledIn)} ms (in)`,
    )
    const { failed, acknowledged, unacknowledged } = await load.finish()
    expect({ failed, unacknowledged }).toEqual({ failed: 0, unacknowledged: 0 })
    const ends = await kafkaTool('GetOffsetShell', [
      ...['--bootstrap-server', bootstrap.join(','), '--topic', topic],
    ])
    const count = ends
      .trim()
      .split('\n')
      .reduce((sum, line) => sum + Number(line.split(':')[2]), 0)
    expect(count).toBe(acknowledged)
    await product.remove(name)
  },
  TEST_MS_MAX,
)

test(
  'the HPA makes it 2 → 4 → 6 while load comes, and 2 again when it has gone',
  async () => {
    const name = 'breathing'
    const metric = { name: 'streamcluster_network_bytes_per_second' }
    const target = { type: 'AverageValue', averageValue: '400k' }
    const autoscaling = {
      ...{ mode: 'HPA', minReplicas: 2, maxReplicas: 6 },
      metrics: [{ type: 'Pods', pods: { metric, target } }],
      behavior: {
        scaleUp: { policies: [{ type: 'Pods', value: 2, periodSeconds: 15 }] },
        scaleDown: {
          stabilizationWindowSeconds: 10,
          policies: [{ type: 'Pods', value: 2, periodSeconds: 15 }],
        },
      },
    }
    await argo('sync', product, argoManifest(product.manifest(name, { autoscaling })))
    await until('the HPA has begun', async () => (await product.find(name)) !== null)
    await product.settled(name, 2)
    const bootstrap = await product.bootstrap(name)
    const spectator = closing(await product.spectator(name))
    const timeline = closing(new PodTimeline(product, name))
    const startMs = Date.now()
    const told: string[] = []
    const seconds = (ms: number): string => ((ms - startMs) / 1000).toFixed(1)
    const reached = async (brokers: number): Promise<void> => {
      const waitMsMax = 3 * 60_000
      await until(
        `/scale says ${brokers}`,
        async () => {
          return (await product.find(name))?.spec.replicas === brokers
        },
        waitMsMax,
      )
      const atMs = Date.now()
      await until(`${brokers} brokers serve evenly`, () => isEven(spectator, brokers), waitMsMax)
      await until('no other pod is there', () => timeline.count === brokers, waitMsMax)
      const readyMs = timeline.readyAtMs.get(brokers) ?? 0
      told.push(
        `${brokers}: /scale at ${seconds(atMs)} s, ready at ${seconds(readyMs)} s, ` +
          `balanced at ${seconds(Date.now())} s`,
      )
    }
    const load = { name: 'heavy', bootstrap, kibibytesPerSecond: 3_000 }
    const heavy = closing(await Traffic.start(product, load))
    const light = closing(await Traffic.start(product, { name: 'light', bootstrap }))
    await reached(4)
    await reached(6)
    expect(
      await argo('drift', product, argoManifest(product.manifest(name, { autoscaling }))),
    ).toEqual([])
    await heavy.progress()
    expect(await heavy.faults()).toEqual([])
    told.push(`load ended at ${seconds(Date.now())} s`)
    await until(
      'it is small again',
      async () => (await product.find(name))?.spec.replicas === 2,
      SCALED_MS_MAX,
    )
    await reached(2)
    await light.progress()
    expect(await light.faults()).toEqual([])
    console.info(`HPA, from the load's beginning:\n${told.join('\n')}`)
    await product.remove(name)
  },
  TEST_MS_MAX,
)
