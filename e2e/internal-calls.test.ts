import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import { httpTransport } from '../broker/admin/internal-calls.ts'
import { handoffMessages } from '../broker/partition/handoff.ts'
import { emptyHotState, encodeHotState } from '../broker/partition/hot-state.ts'
import { apis } from '../broker/protocol/api-keys.ts'
import type { InternalMethod } from '../broker/transport.ts'
import { MetadataLog } from '../metadata/log.ts'
import { openStore } from '../object-store/open.ts'
import { produceBody } from './lib/api-bodies.ts'
import type { BrokerProcess } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { readTopic } from './lib/kcat.ts'
import { batchOf } from './lib/produce.ts'
import { until } from './lib/wait.ts'
import { ask, leadersOf, metadataOf } from './lib/wire-client.ts'

const TOPIC = 'guarded'
const REFUSED = 421

let cluster: Cluster
let source: BrokerProcess
let target: BrokerProcess
let topicId: string
let partition: number

beforeEach(async () => {
  cluster = await Cluster.start(2)
  const [first, second] = cluster.running
  if (first === undefined || second === undefined) throw new Error('there are two brokers')
  source = first
  target = second
  await cluster.createTopic(TOPIC, 2)
  const { topics } = await metadataOf(source.ports.kafka, TOPIC)
  topicId = topics[0]?.topicId ?? ''
  partition = (await leadersOf(source.ports.kafka, TOPIC)).get(source.nodeId)?.[0] ?? -1
  const body = produceBody(TOPIC, new Map([[partition, batchOf('precious')]]))
  await ask(source.ports.kafka, apis.produce, 12, body)
})
afterEach(() => cluster.close())

/** What would make `target` open the partition empty when it gets it: its only record is lost. */
function lyingHandoff(): Buffer {
  const state = encodeHotState(emptyHotState())
  const [message] = handoffMessages(source.nodeId, [{ topicId, partition, leaderEpoch: 0, state }])
  return message ?? Buffer.alloc(0)
}

async function movePartition(): Promise<void> {
  await ask(source.ports.kafka, apis.alterPartitionReassignments, 0, {
    timeoutMs: 10_000,
    topics: [
      { name: TOPIC, partitions: [{ partitionIndex: partition, replicas: [target.nodeId] }] },
    ],
  })
  await until('the partition is with the target', async () => {
    const leaders = await leadersOf(target.ports.kafka, TOPIC)
    return leaders.get(target.nodeId)?.includes(partition)
  })
}

async function values(): Promise<string[]> {
  return (await readTopic(cluster.bootstrap, TOPIC)).map(({ value }) => value)
}

/** The cluster's secret, which whoever can read the bucket can know. */
async function secret(): Promise<string> {
  const store = await openStore(cluster.store)
  const context = { clock: systemClock, random: systemRandom, logger: silentLogger }
  const log = new MetadataLog({ store, ...context })
  await log.open()
  await log.stop()
  await store.close()
  return log.image.scalars.secret ?? ''
}

async function post(
  method: InternalMethod,
  body: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const url = `http://127.0.0.1:${target.ports.admin}/internal/${method}`
  const response = await fetch(url, { method: 'POST', body: new Uint8Array(body), headers })
  await response.arrayBuffer()
  return response.status
}

/** A call as another node makes it, with `key` for the cluster's secret. */
function call(key: string, nodeId: number, method: InternalMethod, body: Buffer): Promise<Buffer> {
  const transport = httpTransport(() => key)
  const address = {
    host: '127.0.0.1',
    port: target.ports.kafka,
    internalHost: '127.0.0.1',
    internalPort: target.ports.admin,
  }
  const calling = transport.call({ nodeId, address }, method, body, 10_000)
  return calling.finally(() => transport.close())
}

const PING = Buffer.from(JSON.stringify({ holder: 'somebody', term: 1_000_000 }))

describe('a call of one node to another', () => {
  test('is refused without a proof of the secret, and changes nothing', async () => {
    const forged = { 'x-streamcluster-mac': Buffer.alloc(32, 7).toString('base64') }
    for (const headers of [{}, { 'x-streamcluster-mac': '' }, forged]) {
      expect(await post('handoff', lyingHandoff(), headers)).toBe(REFUSED)
      expect(await post('news', Buffer.alloc(0), headers)).toBe(REFUSED)
      expect(await post('ping', PING, headers)).toBe(REFUSED)
    }
    await movePartition()
    expect(await values()).toEqual(['precious'])
  })

  test('is refused when it was proved with another secret, or for another node', async () => {
    const key = await secret()
    const other = systemRandom.bytes(32).toString('base64')
    for (const [method, body] of [
      ['ping', PING],
      ['handoff', lyingHandoff()],
    ] as const) {
      await expect(call(other, target.nodeId, method, body)).rejects.toThrow('is not there')
      await expect(call(key, source.nodeId, method, body)).rejects.toThrow('is not there')
    }
    await movePartition()
    expect(await values()).toEqual(['precious'])
  })

  test('is answered with the secret: the refusals above are not for another reason', async () => {
    const reply = await call(await secret(), target.nodeId, 'ping', PING)
    expect(JSON.parse(reply.toString())).toMatchObject({ nodeId: target.nodeId })
  })
})
