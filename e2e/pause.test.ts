import { afterEach, describe, expect, test } from '@jest/globals'
import { apis } from '../broker/protocol/api-keys.ts'
import { errorCode } from '../broker/protocol/error-codes.ts'
import { produceBody } from './lib/api-bodies.ts'
import { EXIT_TAKEN_OVER } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { readTopic } from './lib/kcat.ts'
import { Load } from './lib/load.ts'
import { batchOf } from './lib/produce.ts'
import { until } from './lib/wait.ts'
import { leadersOf, WireClient } from './lib/wire-client.ts'

const TOPIC = 'paused'
const PARTITIONS = 6

let cluster: Cluster
let load: Load | null = null
afterEach(async () => {
  await load?.close()
  await cluster.close()
})

/** 'acknowledged', or why not. */
async function outcomeOf(answer: ReturnType<typeof produceTo>): Promise<string> {
  try {
    const { responses } = await answer
    const code = responses[0]?.partitionResponses[0]?.errorCode ?? errorCode.NONE
    return code === errorCode.NONE ? 'acknowledged' : `refused with error ${code}`
  } catch {
    return 'the connection was closed'
  }
}

function produceTo(client: WireClient, partition: number, value: string) {
  return client.request(
    apis.produce,
    12,
    produceBody(TOPIC, new Map([[partition, batchOf(value)]])),
  )
}

/** Neither looks at the metadata log by itself, nor minds: only the fence in its WAL is left. */
const DEAF = {
  STREAMCLUSTER_METADATA_POLL_MS: '600000',
  STREAMCLUSTER_STALE_MS_MAX: '600000',
}

/** Each gives the broker to pause. The first broker of a cluster is its controller. */
const SETTINGS = [
  ['an owner', () => cluster.startBroker()],
  ['an owner that hears nothing of the metadata', () => cluster.startBroker(undefined, DEAF)],
  [
    'an owner that is the controller too',
    async () => {
      await cluster.startBroker()
      return cluster.controller()
    },
  ],
] as const

describe('a broker that is paused until others took over, and resumed', () => {
  test.each(SETTINGS)('%s: acknowledges nothing and steps down', async (name, choose) => {
    cluster = await Cluster.start(2)
    const paused = await choose()
    await cluster.createTopic(TOPIC, PARTITIONS)
    const other = cluster.anyBut(paused)
    const partition = (await leadersOf(other.ports.kafka, TOPIC)).get(paused.nodeId)?.[0] ?? -1
    load = new Load({
      // This client asks the first of these for leaders, also when that one never answers.
      bootstrap: cluster.running.filter((each) => each !== paused).map((each) => each.bootstrap),
      topic: TOPIC,
      partitions: Array.from({ length: PARTITIONS }, (__, index) => index),
      timeoutMs: 2_000,
    })
    await load.progress(50)
    const before = await WireClient.connect(paused.ports.kafka)

    paused.signal('SIGSTOP')
    // The system takes these for the process: it will read them once it goes on.
    const onOldConnection = outcomeOf(produceTo(before, partition, 'into the pause'))
    const during = await WireClient.connect(paused.ports.kafka)
    const onNewConnection = outcomeOf(produceTo(during, partition, 'into the pause as well'))
    await until('others have taken over', async () => {
      return !(await leadersOf(other.ports.kafka, TOPIC)).has(paused.nodeId)
    })
    await load.progress(50)
    paused.signal('SIGCONT')

    expect(await onOldConnection).not.toBe('acknowledged')
    expect(await onNewConnection).not.toBe('acknowledged')
    expect(await paused.ended()).toEqual({ code: EXIT_TAKEN_OVER, signal: null })
    const last = paused.log.at(-1)?.message
    expect(last).toContain('another node took over')
    if (name.includes('hears nothing')) expect(last).toContain('the WAL is fenced')
    // What it slept through it must not take for the silence of others.
    expect(paused.logged('a node does not answer and is taken over')).toBeUndefined()
    await load.progress(50)
    await load.finish()
    expect(load.failures).toEqual([])
    expect(cluster.running).toHaveLength(2)
    const records = await readTopic(cluster.bootstrap, TOPIC)
    expect(load.acknowledged.faultsOf(records)).toEqual([])
    for (const client of [before, during]) client.close()
  })
})
