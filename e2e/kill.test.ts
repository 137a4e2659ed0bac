import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { Cluster } from './lib/cluster.ts'
import { fetchKafkaTools, FETCH_MS_MAX, VerifiableProducer } from './lib/kafka-tools.ts'
import { KcatLoad, readTopic } from './lib/kcat.ts'
import { Load } from './lib/load.ts'
import { pause } from './lib/wait.ts'

const PARTITIONS = 9
const ALL = Array.from({ length: PARTITIONS }, (_, index) => index)
const TEST_MS_MAX = 180_000

beforeAll(fetchKafkaTools, FETCH_MS_MAX)

let cluster: Cluster
const loads: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(loads.splice(0).map((load) => load.close()))
  await cluster.close()
})

function closing<T extends { close(): Promise<void> }>(load: T): T {
  loads.push(load)
  return load
}

describe('kill -9', () => {
  test(
    'of everything at once loses nothing acknowledged, and idempotent producers go on',
    async () => {
      cluster = await Cluster.start(3)
      const { bootstrap } = cluster
      for (const topic of ['node', 'java', 'c']) await cluster.createTopic(topic, PARTITIONS)
      const node = closing(new Load({ bootstrap, topic: 'node', partitions: ALL }))
      const java = closing(
        new VerifiableProducer({ bootstrap, topic: 'java', recordsPerSecond: 1_000 }),
      )
      const c = closing(new KcatLoad({ name: 'line', bootstrap, topic: 'c' }))
      await Promise.all([node.progress(50), java.progress(500)])

      for (let round = 0; round < 2; round++) {
        const ports = cluster.running.map((broker) => broker.ports)
        await Promise.all(cluster.running.map((broker) => broker.kill()))
        await Promise.all(ports.map((each) => cluster.startBroker(each)))
        await Promise.all([node.progress(50), java.progress(500)])
      }

      await Promise.all([node.finish(), java.finish()])
      expect(await c.finish()).toMatchObject({ code: 0 })
      expect(node.failures).toEqual([])
      expect(java.failures).toEqual([])
      expect(node.acknowledged.faultsOf(await readTopic(bootstrap, 'node'))).toEqual([])
      expect(java.acknowledged.faultsOf(await readTopic(bootstrap, 'java'))).toEqual([])
      expect(c.faultsOf(await readTopic(bootstrap, 'c'))).toEqual([])
    },
    TEST_MS_MAX,
  )

  test(
    'of owners and of the controller, again and again, loses and doubles nothing',
    async () => {
      cluster = await Cluster.start(3)
      await cluster.createTopic('turns', PARTITIONS)
      const load = closing(
        new Load({ bootstrap: cluster.bootstrap, topic: 'turns', partitions: ALL }),
      )
      const c = closing(
        new KcatLoad({ name: 'line', bootstrap: cluster.bootstrap, topic: 'lines' }),
      )
      await load.progress(20)
      for (const turn of ['controller', 'owner', 'both', 'controller', 'owner']) {
        const controller = await cluster.controller()
        const owner = cluster.anyBut(controller)
        const victims =
          turn === 'both' ? [controller, owner] : [turn === 'owner' ? owner : controller]
        await Promise.all(victims.map((each) => each.kill()))
        // Sometimes others take over first, sometimes a broker is there again before.
        await pause(turn === 'both' ? 0 : 700)
        await Promise.all(victims.map((each) => cluster.startBroker(each.ports)))
        await load.progress(20)
      }
      await load.finish()
      expect(await c.finish()).toMatchObject({ code: 0 })
      expect(load.failures).toEqual([])
      expect(load.acknowledged.faultsOf(await readTopic(cluster.bootstrap, 'turns'))).toEqual([])
      expect(c.faultsOf(await readTopic(cluster.bootstrap, 'lines'))).toEqual([])
    },
    TEST_MS_MAX,
  )
})
