import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { BUILD_MS_MAX, type S3Server, startVersitygw } from '../object-store/testing/s3-servers.ts'
import { EXIT_DRAINED, EXIT_TAKEN_OVER } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { readTopic } from './lib/kcat.ts'
import { Load } from './lib/load.ts'
import { until } from './lib/wait.ts'
import { leadersOf } from './lib/wire-client.ts'

/** What e2e/kill, e2e/pause and e2e/moves show on a folder, once more on an S3 server. */
const PARTITIONS = 6
const ALL = Array.from({ length: PARTITIONS }, (_, index) => index)
const TOPIC = 'on-s3'

let server: S3Server
let cluster: Cluster
let load: Load
let clusters = 0

beforeAll(async () => {
  server = await startVersitygw()
}, BUILD_MS_MAX)
afterAll(() => server.stop())

beforeEach(async () => {
  const store = server.url.replace('?', `/cluster-${clusters++}?`)
  cluster = await Cluster.start(3, { store, env: server.env })
  await cluster.createTopic(TOPIC, PARTITIONS)
  const [first, second] = cluster.running
  // The third is the one that is paused, which this client would wait for.
  const bootstrap = [first?.bootstrap ?? '', second?.bootstrap ?? '']
  load = new Load({ bootstrap, topic: TOPIC, partitions: ALL, timeoutMs: 2_000 })
  await load.progress(20)
})
afterEach(async () => {
  await load.close()
  await cluster.close()
})

async function expectEverything(): Promise<void> {
  await load.progress(20)
  await load.finish()
  expect(load.failures).toEqual([])
  expect(load.acknowledged.faultsOf(await readTopic(cluster.bootstrap, TOPIC))).toEqual([])
}

test('kill -9 of everything at once loses nothing acknowledged', async () => {
  const ports = cluster.running.map((broker) => broker.ports)
  await Promise.all(cluster.running.map((broker) => broker.kill()))
  await Promise.all(ports.map((each) => cluster.startBroker(each)))
  await expectEverything()
})

test('a broker that is killed is taken over, another joins, a third one drains', async () => {
  const [first, second] = cluster.running
  await first?.kill()
  await load.progress(20)
  const joined = await cluster.startBroker(first?.ports)
  await until('it has its share', async () => (await joined.load()).partitions >= 1)
  expect(await second?.terminate()).toEqual({ code: EXIT_DRAINED, signal: null })
  expect(second?.logged('drained and sealed')).toMatchObject({ left: 0 })
  await expectEverything()
})

test('a broker that was paused until others took over steps down', async () => {
  const [first, , third] = cluster.running
  third?.signal('SIGSTOP')
  await until('others have taken over', async () => {
    return !(await leadersOf(first?.ports.kafka ?? 0, TOPIC)).has(third?.nodeId ?? 0)
  })
  third?.signal('SIGCONT')
  expect(await third?.ended()).toEqual({ code: EXIT_TAKEN_OVER, signal: null })
  await expectEverything()
})
