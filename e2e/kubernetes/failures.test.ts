import { describe, expect, test } from '@jest/globals'
import { accepts } from '../../base/testing/accepts.ts'
import { pause, until } from '../lib/wait.ts'
import { CheckedLoad } from './lib/checked-load.ts'
import { closing } from './lib/closing.ts'
import { killContainer } from './lib/containers.ts'
import { imageArchive } from './lib/images.ts'
import { allowOneRetryWithoutLoss } from './lib/losses.ts'
import { isReady, NAMESPACE, OPERATOR, type Pod, type Product } from './lib/product.ts'
import { usesProduct } from './lib/product-hooks.ts'
import type { Spectator } from './lib/spectator.ts'
import { movesSince } from './lib/timeline.ts'
import { Traffic } from './lib/traffic.ts'

const TEST_MS_MAX = 6 * 60_000
const REACHABLE_MS_MAX = 180_000
const NAME = 'orders'
const BROKERS = 3
const rack = { topologyKey: 'topology.kubernetes.io/zone' }

/**
 * Whatever happens to a cluster under load: no client of it may fail, and every acknowledged record
 * must be there, once, at its offset.
 */
let product: Product
let bootstrap: string[]
usesProduct(async (started) => {
  product = started
  await product.apply(NAME, { replicas: BROKERS, rack })
  await product.settled(NAME, BROKERS)
  bootstrap = await product.bootstrap(NAME)
})

allowOneRetryWithoutLoss()

/**
 * Resolves once new clients get in. After its API server was away Kubernetes takes half a minute and
 * more to tell all nodes of a Service's endpoints; who is connected does not notice.
 */
async function reachable(): Promise<void> {
  const [host = '', port = ''] = bootstrap[0]?.split(':') ?? []
  await until('new clients get in', () => accepts({ host, port: Number(port) }), REACHABLE_MS_MAX)
}

let count = 0
async function underTraffic(what: string, happens: () => Promise<void>): Promise<void> {
  const name = `traffic${count++}`
  await reachable()
  const traffic = closing(await Traffic.start(product, { name, bootstrap }))
  const sinceMs = Date.now()
  traffic.listen()
  await happens()
  await traffic.progress()
  const seconds = ((Date.now() - sinceMs) / 1000).toFixed(1)
  const silenceMs = traffic.silenceMsMax
  await reachable()
  const faults = await traffic.faults()
  console.info(`${what}: over after ${seconds} s, no answer to anybody for ${silenceMs} ms at most`)
  expect(faults).toEqual([])
}

async function brokers(): Promise<Pod[]> {
  return (await product.pods(NAME)).filter((pod) => pod.metadata.deletionTimestamp === undefined)
}

/** Applies what needs other brokers, and resolves once there are no others. */
async function allReplaced(spec: Readonly<Record<string, unknown>>): Promise<void> {
  const before = new Set((await brokers()).map(({ metadata }) => metadata.uid))
  await product.apply(NAME, spec)
  await until(
    'all brokers are others',
    async () => {
      const all = await product.pods(NAME)
      return all.length === BROKERS && all.every(({ metadata }) => !before.has(metadata.uid))
    },
    180_000,
  )
  await product.settled(NAME, BROKERS)
}

/** The replica of the operator that works. */
async function leader(): Promise<Pod> {
  const lease = await product.kube.get<{ spec: { holderIdentity: string } }>(
    ...['lease', OPERATOR, '-n', NAMESPACE],
  )
  const name = lease.spec.holderIdentity.split('_')[0]
  const found = (await product.operatorPods()).find((pod) => pod.metadata.name === name)
  if (found === undefined) throw new Error(`nobody is ${lease.spec.holderIdentity}`)
  return found
}

describe('what people do', () => {
  test(
    'a rolling upgrade to another image',
    async () => {
      await product.kube.importImage((await imageArchive('0.1.1')).archive)
      const image = 'streamcluster:0.1.1'
      await underTraffic('rolling upgrade', () => allReplaced({ replicas: BROKERS, rack, image }))
      const images = (await brokers()).map(({ spec }) => spec?.containers?.[0]?.image)
      expect(new Set(images)).toEqual(new Set([image]))
    },
    TEST_MS_MAX,
  )

  test(
    'a config that brokers read at their start only',
    async () => {
      await underTraffic('a config that replaces brokers', async () => {
        await allReplaced({ replicas: BROKERS, rack, config: { 'num.partitions': 3 } })
        const reasons = await product.eventReasons(NAME)
        expect(reasons).toContain('RestartRequired')
      })
    },
    TEST_MS_MAX,
  )

  test(
    'a config that is changed while brokers run',
    async () => {
      await underTraffic('changes of configs', async () => {
        const uids = async (): Promise<string[]> =>
          (await brokers()).map(({ metadata }) => metadata.uid ?? '').sort()
        const before = await uids()
        const config = { 'num.partitions': 3, 'message.max.bytes': 2097152 }
        await product.apply(NAME, { replicas: BROKERS, rack, config })
        await product.settled(NAME, BROKERS)
        expect(await uids()).toEqual(before)
      })
    },
    TEST_MS_MAX,
  )

  test(
    'kubectl drain of a node',
    async () => {
      await underTraffic('kubectl drain', async () => {
        await product.kube.drainNode(1)
        expect((await brokers()).every(({ spec }) => spec?.nodeName !== 'node-2')).toBe(true)
        await product.settled(NAME, BROKERS)
        await product.kube.uncordonNode(1)
      })
    },
    TEST_MS_MAX,
  )
})

describe('what breaks', () => {
  test(
    'a broker by SIGKILL: everything can be written to within seconds',
    async () => {
      const load = await CheckedLoad.start({
        ...{ product, bootstrap, topic: `wide${count++}`, partitions: 300, mebibytesPerSecond: 4 },
        batchRecords: 4,
      })
      await pause(10_000)
      await underTraffic('SIGKILL of a broker', async () => {
        const [victim] = await brokers()
        const spectator = closing(await product.spectator(NAME))
        await load.partitions.mark()
        const killedAtMs = Date.now()
        await killContainer(victim as Pod)
        const times = await until('all can be written to', async () => {
          const { partitions } = await load.partitions.times()
          return partitions.every(({ writableMs }) => writableMs >= 0) && partitions
        })
        const slowestMs = Math.max(...times.map(({ writableMs }) => writableMs))
        const {
          firstAtMs = 0,
          lastAtMs = 0,
          partitions = 0,
        } = movesSince(spectator, killedAtMs) ?? {}
        console.info(
          `SIGKILL: all ${times.length} partitions writable after ${slowestMs} ms; ${partitions} were ` +
            `given to others after ${firstAtMs - killedAtMs} to ${lastAtMs - killedAtMs} ms`,
        )
        await product.settled(NAME, BROKERS)
      })
      expect(await load.faults()).toEqual([])
    },
    TEST_MS_MAX,
  )

  test(
    'a node with its kubelet and all its pods',
    async () => {
      await underTraffic('loss of a node', async () => {
        const index = await nodeWithoutOperatorLeader()
        await product.kube.killNode(index)
        const lost = `node-${index + 1}`
        await until(
          'three brokers serve elsewhere',
          async () => {
            const serving = (await brokers()).filter(isReady)
            return serving.filter(({ spec }) => spec?.nodeName !== lost).length >= BROKERS
          },
          180_000,
        )
        await product.kube.startNode(index)
        await product.settled(NAME, BROKERS)
      })
    },
    TEST_MS_MAX,
  )

  test(
    'the operator, in the middle of a drain and of moves',
    async () => {
      await underTraffic('the operator killed mid-drain and mid-move', async () => {
        for (const replicas of [BROKERS + 2, BROKERS]) {
          const spectator = closing(await product.spectator(NAME))
          // Known beforehand: to ask takes longer than some moves.
          const victim = await leader()
          const sinceMs = Date.now()
          await product.scale(NAME, replicas)
          await until('partitions are on their way', () => {
            return movesSince(spectator, sinceMs) !== null && !spectator.newest.isBalanced
          })
          await killContainer(victim)
          const killedAtMs = Date.now()
          expect(spectator.newest.isBalanced).toBe(false)
          await product.settled(NAME, replicas)
          await until('no other broker is left', async () => {
            return (await product.pods(NAME)).length === replicas
          })
          const moves = movesSince(spectator, sinceMs)?.partitions ?? 0
          const later = movesSince(spectator, killedAtMs)?.partitions ?? 0
          console.info(`to ${replicas}: ${later} of ${moves} moves after the operator was killed`)
          await spectator.close()
        }
      })
    },
    TEST_MS_MAX,
  )

  test(
    'a broker while there is no operator',
    async () => {
      await underTraffic('a broker dies while there is no operator', async () => {
        await product.kube.kubectl('scale', 'deployment', OPERATOR, '-n', NAMESPACE, '--replicas=0')
        await until('there is no operator', async () => (await product.operatorPods()).length === 0)
        const spectator = await product.spectator(NAME)
        await until('a broker is the controller', () => spectator.newest.controllerNodeId !== null)
        const [victim] = await brokers()
        const nodeId = nodeOf(victim as Pod, spectator)
        await killContainer(victim as Pod)
        await until('what it had is served by others', () => {
          const node = spectator.newest.nodes.find((each) => each.nodeId === nodeId)
          return node === undefined || (node.state === 'sealed' && node.partitions === 0)
        })
        expect(await product.operatorPods()).toEqual([])
        expect(spectator.newest.controllerNodeId).not.toBeNull()
        await product.kube.kubectl('scale', 'deployment', OPERATOR, '-n', NAMESPACE, '--replicas=2')
        await until('the operator is the controller again', () => {
          return spectator.newest.controllerNodeId === null
        })
        await spectator.close()
        await product.settled(NAME, BROKERS)
      })
    },
    TEST_MS_MAX,
  )

  test(
    'the API server, away for a minute in which a broker dies',
    async () => {
      await underTraffic('API server away for 60 s', async () => {
        const [victim] = await brokers()
        await product.kube.stopApiServer()
        await pause(20_000)
        await killContainer(victim as Pod)
        await pause(40_000)
        await product.kube.startApiServer()
        await product.kube.nodesReady()
        await product.settled(NAME, BROKERS)
      })
    },
    TEST_MS_MAX,
  )

  test(
    'the S3 server, away for half a minute',
    async () => {
      await underTraffic('S3 server away for 30 s', async () => {
        await product.s3.breakDown()
        await pause(30_000)
        await product.s3.goOn()
        await product.settled(NAME, BROKERS)
      })
    },
    TEST_MS_MAX,
  )
})

/** What the broker that runs in `pod` is in the metadata log; it must own something. */
function nodeOf(pod: Pod, spectator: Spectator): number {
  const host = pod.status?.podIP
  const found = spectator.newest.nodes.find((node) => node.host === host && node.partitions > 0)
  if (found === undefined) throw new Error(`nobody at ${host} owns anything`)
  return found.nodeId
}

async function nodeWithoutOperatorLeader(): Promise<number> {
  const { spec } = await leader()
  const index = product.kube.nodes.findIndex(({ place }) => place.name !== spec?.nodeName)
  if (index < 0) throw new Error('the operator is everywhere')
  return index
}
