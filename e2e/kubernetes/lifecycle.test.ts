import { expect, test } from '@jest/globals'
import { systemClock } from '../../base/clock.ts'
import { systemRandom } from '../../base/random.ts'
import { openStore } from '../../object-store/open.ts'
import { kafkaTool } from '../lib/kafka-tools.ts'
import { kcat, readTopic } from '../lib/kcat.ts'
import { pause } from '../lib/wait.ts'
import { NAMESPACE, OTHER_NAMESPACE, type Product } from './lib/product.ts'
import { usesProduct } from './lib/product-hooks.ts'
import { CREDENTIALS } from './lib/s3-server.ts'

const TEST_MS_MAX = 5 * 60_000
const QUIET_MS = 5 * 60_000

let product: Product
usesProduct((started) => {
  product = started
})

/** Every object of a cluster with its version, as lines. */
async function versionsOf(name: string): Promise<string> {
  const { kube } = product
  const types = 'stc,deploy,rs,pods,svc,cm,sa,pdb,hpa,netpol'
  const format = 'custom-columns=K:.kind,N:.metadata.name,V:.metadata.resourceVersion'
  const common = ['-n', NAMESPACE, '--no-headers', '-o', format]
  const children = ['-l', `streamcluster.io/cluster=${name}`]
  const own = await kube.kubectl('get', 'stc', name, ...common)
  return `${own}\n${await kube.kubectl('get', types, ...children, ...common)}`
}

/** The newest seq of a cluster's metadata log. */
async function seqOf(name: string): Promise<number> {
  const spectator = await product.spectator(name)
  await spectator.close()
  return spectator.newest.seq
}

async function keysOf(name: string): Promise<string[]> {
  const common = { clock: systemClock, random: systemRandom, credentials: CREDENTIALS }
  const store = await openStore(product.storeUrl(name), common)
  try {
    return (await store.list({ prefix: '', limit: 1000 })).map(({ key }) => key)
  } finally {
    await store.close()
  }
}

let quiet = { versions: '', seq: 0, sinceMs: 0 }

test(
  'a cluster comes to rest',
  async () => {
    await product.apply('quiet', { replicas: 2 })
    await product.settled('quiet', 2)
    // What kubelets tell of pods comes a moment later.
    await pause(5_000)
    const [versions, seq] = [await versionsOf('quiet'), await seqOf('quiet')]
    quiet = { versions, seq, sinceMs: Date.now() }
  },
  TEST_MS_MAX,
)

test(
  'a cluster is applied, serves Java and librdkafka through its Service, and goes',
  async () => {
    await product.apply('orders')
    await product.settled('orders', 3)
    const bootstrap = (await product.bootstrap('orders')).join(',')
    const server = ['--bootstrap-server', bootstrap]
    await kafkaTool('TopicCommand', [
      ...[...server, '--create', '--topic', 'lines', '--partitions', '6'],
    ])
    const lines = Array.from({ length: 500 }, (_, index) => `line-${index}`)
    const sent = await kcat(['-P', '-b', bootstrap, '-t', 'lines'], `${lines.join('\n')}\n`)
    expect(sent).toMatchObject({ code: 0 })
    const read = await kafkaTool('consumer.ConsoleConsumer', [
      ...[...server, '--topic', 'lines', '--from-beginning'],
      ...['--max-messages', '500', '--timeout-ms', '30000'],
    ])
    expect(read.trim().split('\n').sort()).toEqual([...lines].sort())
    await product.remove('orders')
    expect((await keysOf('orders')).some((key) => key.startsWith('meta/log/'))).toBe(true)
  },
  TEST_MS_MAX,
)

test(
  'it finds its data when it comes again, and takes them along when asked to',
  async () => {
    await product.apply('orders', { replicas: 1, deletionPolicy: 'Delete' })
    await product.settled('orders', 1)
    const records = await readTopic(await product.bootstrap('orders'), 'lines')
    expect(new Set(records.map(({ value }) => value)).size).toBe(500)
    await product.remove('orders')
    expect(await keysOf('orders')).toEqual([])
  },
  TEST_MS_MAX,
)

test(
  'it goes with its namespace, whose Secret and operator’s rights go as well',
  async () => {
    await product.apply('doomed', { replicas: 1, deletionPolicy: 'Delete' }, OTHER_NAMESPACE)
    await product.settled('doomed', 1, OTHER_NAMESPACE)
    await product.kube.kubectl('delete', 'namespace', OTHER_NAMESPACE, '--timeout=180s')
    await product.addNamespace(OTHER_NAMESPACE)
    await product.install()
  },
  TEST_MS_MAX,
)

test(
  'clusters of one namespace, and of two by one name, do not know each other',
  async () => {
    const places = [
      ['left', NAMESPACE],
      ['right', NAMESPACE],
      ['left', OTHER_NAMESPACE],
    ] as const
    for (const [name, namespace] of places) await product.apply(name, { replicas: 1 }, namespace)
    for (const [name, namespace] of places) {
      await product.settled(name, 1, namespace)
      const bootstrap = (await product.bootstrap(name, namespace)).join(',')
      const sent = await kcat(['-P', '-b', bootstrap, '-t', 'who'], `${namespace}/${name}\n`)
      expect(sent).toMatchObject({ code: 0 })
    }
    for (const [name, namespace] of places) {
      const records = await readTopic(await product.bootstrap(name, namespace), 'who')
      expect(records.map(({ value }) => value)).toEqual([`${namespace}/${name}`])
    }
    for (const [name, namespace] of places) await product.remove(name, namespace)
  },
  TEST_MS_MAX,
)

test(
  'the cluster at rest has caused no write meanwhile, for five minutes at least',
  async () => {
    await pause(Math.max(0, quiet.sinceMs + QUIET_MS - Date.now()))
    const seconds = Math.round((Date.now() - quiet.sinceMs) / 1000)
    expect(await versionsOf('quiet')).toBe(quiet.versions)
    expect(await seqOf('quiet')).toBe(quiet.seq)
    console.info(`a settled cluster: no object written, nor the metadata log, in ${seconds} s`)
  },
  QUIET_MS + 60_000,
)
