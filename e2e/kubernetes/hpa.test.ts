import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { fetchKafkaTools } from '../lib/kafka-tools.ts'
import { until } from '../lib/wait.ts'
import { argo, argoManifest } from './lib/argo.ts'
import { closeAll, closing } from './lib/closing.ts'
import { Product, START_MS_MAX } from './lib/product.ts'
import { isEven, PodTimeline } from './lib/timeline.ts'
import { Traffic } from './lib/traffic.ts'

const TEST_MS_MAX = 8 * 60_000
const SCALED_MS_MAX = 120_000

let product: Product
beforeAll(async () => {
  await fetchKafkaTools()
  product = await Product.start()
}, START_MS_MAX)
afterEach(closeAll)
afterAll(() => product?.stop(), 60_000)

test(
  'the HPA makes it 2 → 4 → 6 while load comes, and 2 again when it has gone',
  async () => {
    const name = 'breathing'
    const metric = { name: 'streamcluster_network_bytes_per_second' }
    const target = { type: 'AverageValue', averageValue: '150k' }
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
