import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Acknowledged } from './lib/acknowledged.ts'
import { type BrokerProcess, EXIT_DRAINED } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { readTopic } from './lib/kcat.ts'
import { writeEverywhere } from './lib/produce.ts'

/** Each of three brokers has a thousand. */
const PARTITIONS = 3_000
const TOPIC = 'many'
const TEST_MS_MAX = 180_000
/** Each of these leaves a run in every partition, so that what is handed over has some size. */
const ROUNDS = 5

let cluster: Cluster
let acknowledged: Acknowledged
let rounds = 0

async function write(): Promise<void> {
  const name = `round-${rounds++}`
  const written = await writeEverywhere(cluster, TOPIC, { partitions: PARTITIONS, name })
  acknowledged.addAll(written)
}

/** How long it takes, told and not tested: the machine may be busy with something else. */
async function measured(what: string, action: () => Promise<unknown>): Promise<void> {
  const startMs = Date.now()
  await action()
  process.stdout.write(`${what}: ${Date.now() - startMs} ms\n`)
}

beforeEach(async () => {
  // A broker that cannot empty itself within 5 s is to leave partitions behind.
  cluster = await Cluster.start(3, { env: { STREAMCLUSTER_DRAIN_MS_MAX: '5000' } })
  await cluster.createTopic(TOPIC, PARTITIONS)
  acknowledged = await writeEverywhere(cluster, TOPIC, { partitions: PARTITIONS, name: 'first' })
  for (let round = 1; round < ROUNDS; round++) await write()
}, TEST_MS_MAX)
afterEach(() => cluster.close())

async function expectEverything(): Promise<void> {
  const records = await readTopic(
    cluster.running.map((each) => each.bootstrap),
    TOPIC,
  )
  // A record whose answer was lost was written again under another name.
  expect(acknowledged.faultsOf(records, { othersAllowed: true })).toEqual([])
}

describe('a broker with 1,000 partitions', () => {
  test(
    'gives all of them away at SIGTERM, in 5 s',
    async () => {
      const broker = await notTheController()
      await measured('SIGTERM to exit, 1,000 partitions', async () => {
        expect(await broker.terminate()).toEqual({ code: EXIT_DRAINED, signal: null })
      })
      const drained = broker.logged('drained and sealed')
      expect(drained).toMatchObject({ left: 0 })
      expect(drained?.partitions).toBeGreaterThanOrEqual(PARTITIONS / 3)
      await measured('and all are written to', write)
      await expectEverything()
    },
    TEST_MS_MAX,
  )

  test.each([
    ['that is killed', notTheController],
    ['that is the controller and is killed', () => cluster.controller()],
  ])(
    '%s is taken over',
    async (name, choose) => {
      const broker = await choose()
      await broker.kill()
      await measured(`a broker ${name}: until all its 1,000 partitions are written to`, write)
      await expectEverything()
    },
    TEST_MS_MAX,
  )
})

async function notTheController(): Promise<BrokerProcess> {
  return cluster.anyBut(await cluster.controller())
}
