import { afterEach, expect, test } from '@jest/globals'
import { type AnyApi, apis } from '../protocol/api-keys.ts'
import { Request } from '../request.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'
import { answering } from './context.ts'

const LONG = 'x'.repeat(32_767)
const clusters: TestCluster[] = []

afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.stop()
})

async function broker(): Promise<TestBroker> {
  const cluster = await TestCluster.start(1)
  clusters.push(cluster)
  return cluster.brokers[0] as TestBroker
}

test('a refusal that quotes the longest text a client can send is still an answer', async () => {
  const client = await broker()
  await createTopic(client, 't')
  for (const name of ['retention.ms', LONG]) {
    const altered = await client.call(apis.incrementalAlterConfigs, 1, {
      resources: [
        {
          resourceType: 2,
          resourceName: 't',
          configs: [{ name, configOperation: 0, value: LONG }],
        },
      ],
      validateOnly: false,
    })
    expect(altered.responses[0]?.errorCode).not.toBe(0)
  }
  for (const [name, configName] of [
    [LONG, 'retention.ms'],
    ['u', 'retention.ms'],
    ['u', LONG],
  ] as const) {
    const created = await client.call(apis.createTopics, 7, {
      topics: [
        {
          name,
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: [{ name: configName, value: LONG }],
        },
      ],
    })
    expect(created.topics[0]?.errorCode).not.toBe(0)
  }
})

test('a request that cannot be answered costs its connection, not the broker', async () => {
  const client = await broker()
  const ask = (answer: () => unknown): Promise<unknown> => {
    const handler = answering(answer)
    return new Promise((resolve, reject) => {
      const frame = client.broker.pool.take(10)
      const channel = {
        listener: 'test',
        remoteAddress: 'test',
        isClosed: false,
        nowMs: () => 0,
        answered: () => resolve(request.pieces),
        close: () => reject(new Error('closed')),
      }
      const api = apis.deleteTopics as unknown as AnyApi
      const header = { api, version: 6, correlationId: 1, clientId: null }
      const request = new Request(channel, header, null, frame)
      request.onAnswered = () => {
        if (request.pieces?.length === 0) channel.close()
      }
      handler(client.broker, request)
    })
  }
  const fail = (): never => {
    throw new Error('a bug')
  }
  await expect(ask(fail)).rejects.toThrow('closed')
  await expect(ask(async () => fail())).rejects.toThrow('closed')
  await expect(ask(() => ({ responses: 'none' }))).rejects.toThrow('closed')
  await expect(ask(() => ({ responses: [] }))).resolves.toHaveLength(1)
  expect(client.broker.pool.bytesInUse).toBe(0)
})
