import { expect, test } from '@jest/globals'
import { until } from '../lib/wait.ts'
import { argo, argoManifest } from './lib/argo.ts'
import { AutoscalingTimeline } from './lib/autoscaling-timeline.ts'
import { CheckedLoad } from './lib/checked-load.ts'
import { closing } from './lib/closing.ts'
import type { Product } from './lib/product.ts'
import { usesProduct } from './lib/product-hooks.ts'
import { isEven, PodTimeline } from './lib/timeline.ts'
import { Traffic } from './lib/traffic.ts'

const TEST_MS_MAX = 10 * 60_000
const SCALED_MS_MAX = 3 * 60_000
const METRIC = 'streamcluster_network_bytes_per_second'
const TARGET = 700_000
/** With the little that applications write beside them: enough for four brokers, and for six. */
const LOADS_MEBIBYTES_PER_SECOND = [2.2, 1.5]

let product: Product
usesProduct((started) => {
  product = started
})

test(
  'the HPA makes it 2 → 4 → 6 while load comes, and 2 again when it has gone',
  async () => {
    const name = 'breathing'
    const target = { type: 'AverageValue', averageValue: `${TARGET}` }
    const autoscaling = {
      ...{ mode: 'HPA', minReplicas: 2, maxReplicas: 6 },
      metrics: [{ type: 'Pods', pods: { metric: { name: METRIC }, target } }],
      behavior: {
        scaleUp: { policies: [{ type: 'Pods', value: 2, periodSeconds: 15 }] },
        scaleDown: {
          stabilizationWindowSeconds: 10,
          policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }],
        },
      },
    }
    const manifest = argoManifest(product.manifest(name, { autoscaling }))
    await argo('sync', product, manifest)
    await until('it is there', async () => (await product.find(name)) !== null)
    await product.settled(name, 2)
    const drift = (): Promise<string[]> => argo('drift', product, manifest)
    expect(await drift()).toEqual([])
    const bootstrap = await product.bootstrap(name)
    const spectator = closing(await product.spectator(name))
    const pods = closing(new PodTimeline(product, name))
    const scales = closing(
      new AutoscalingTimeline({ product, name, metric: METRIC, target: TARGET }),
    )
    const light = closing(await Traffic.start(product, { name: 'light', bootstrap }))
    const startMs = Date.now()
    const seconds = (ms: number | undefined): string => {
      return ms === undefined ? 'never' : `${((ms - startMs) / 1000).toFixed(1)} s`
    }
    const reached = async (brokers: number): Promise<string> => {
      await until(
        `${brokers} brokers serve evenly`,
        () => scales.scaledAtMs.has(brokers) && isEven(spectator, brokers),
        SCALED_MS_MAX,
      )
      const balancedMs = Date.now()
      const isReached = (): boolean => pods.count === brokers && pods.readyAtMs.has(brokers)
      await until('all pods are ready, and no other is there', isReached, SCALED_MS_MAX)
      return (
        `/scale says ${brokers} at ${seconds(scales.scaledAtMs.get(brokers))}, ready at ` +
        `${seconds(pods.readyAtMs.get(brokers))}, balanced at ${seconds(balancedMs)}, ` +
        `no other pod at ${seconds(Date.now())}`
      )
    }
    const told: string[] = []
    const loads: CheckedLoad[] = []
    for (const [index, mebibytesPerSecond] of LOADS_MEBIBYTES_PER_SECOND.entries()) {
      told.push(`${mebibytesPerSecond} MiB/s more at ${seconds(Date.now())}`)
      const topic = `heavy${index}`
      const load = { product, bootstrap, topic, partitions: 60, mebibytesPerSecond }
      loads.push(await CheckedLoad.start(load))
      const line = await reached(4 + 2 * index)
      told.push(`the metric above its target at ${seconds(scales.crossedAtMs)}`, line)
      expect(await drift()).toEqual([])
    }
    scales.scaledAtMs.delete(2)
    pods.readyAtMs.delete(2)
    for (const load of loads) await load.end()
    told.push(`load ended at ${seconds(Date.now())}`, await reached(2))
    expect(await drift()).toEqual([])
    // Not before: reading is load too.
    for (const load of loads) expect(await load.faults()).toEqual([])
    await light.progress()
    expect(await light.faults()).toEqual([])
    console.info(`HPA, from the load's beginning:\n${told.join('\n')}`)
    await product.remove(name)
  },
  TEST_MS_MAX,
)
