import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { join } from 'node:path'
import { type AnyApi, allApis, apis } from '../protocol/api-keys.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { Request } from '../request.ts'
import { type TestBroker, TestCluster } from '../testing/harness.ts'
import { FETCH_MS_MAX, runJavaWithKafka } from '../testing/kafka-tools.ts'
import { handlers } from './index.ts'

/** SaslHandshake and AddPartitionsToTxn: clients take an API that is named for one that works. */
const NOT_SERVED = [17, 24]

let cluster: TestCluster
let client: TestBroker
/** Of Kafka: what its brokers advertise, by API key, and the levels of metadata.version. */
const ranges = new Map<number, [number, number]>()
let levels: [number, number] = [0, 0]

beforeAll(async () => {
  const output = await runJavaWithKafka(join(import.meta.dirname, 'KafkaApiVersions.java'))
  for (const line of output.trimEnd().split('\n')) {
    const [kind, ...fields] = line.split('\t')
    const [first = 0, second = 0, third = 0] = fields.map(Number)
    if (kind === 'metadata') levels = [first, second]
    else ranges.set(first, [second, third])
  }
  cluster = await TestCluster.start(1)
  client = cluster.brokers[0] as TestBroker
}, FETCH_MS_MAX)
afterAll(() => cluster.stop())

async function answer(version: number) {
  return client.call(apis.apiVersions, version, {
    clientSoftwareName: 'test',
    clientSoftwareVersion: '1',
  })
}

describe('the answer to ApiVersions', () => {
  test.each([0, 1, 2, 3, 4])('in v%i names what is served, as Kafka names it', async (version) => {
    const { errorCode: code, apiKeys } = await answer(version)
    expect(code).toBe(errorCode.NONE)
    const named = apiKeys.map(({ apiKey, minVersion, maxVersion }) => {
      return [apiKey, [minVersion, maxVersion]] as const
    })
    const keys = named.map(([key]) => key)
    expect(keys).toEqual([...handlers.keys()].sort((a, b) => a - b))
    for (const key of NOT_SERVED) expect(keys).not.toContain(key)
    expect(named).toEqual(keys.map((key) => [key, ranges.get(key)]))
  })

  test('finalizes metadata.version alone, at the level of a fresh Kafka of this release', async () => {
    const { supportedFeatures, finalizedFeatures, finalizedFeaturesEpoch } = await answer(4)
    const [least, level] = levels
    const name = 'metadata.version'
    expect(supportedFeatures).toEqual([{ name, minVersion: least, maxVersion: level }])
    expect(finalizedFeatures).toEqual([{ name, maxVersionLevel: level, minVersionLevel: level }])
    expect(finalizedFeaturesEpoch).toBe(client.broker.node.log.seq)
  })

  test('to a client that is newer has the ranges and error 35 (KIP-511)', async () => {
    const response = await dispatched(apis.apiVersions as unknown as AnyApi, 0, null)
    expect(response).not.toBe('closed')
    const { apiKeys } = await answer(0)
    const bytes = response as Buffer
    // Size, correlation id, error code, count.
    expect(bytes.readInt16BE(8)).toBe(errorCode.UNSUPPORTED_VERSION)
    expect(bytes.readInt32BE(10)).toBe(apiKeys.length)
  })
})

/** What a request of that body comes to: the bytes of an answer, or 'closed'. */
function dispatched(api: AnyApi, version: number, body: unknown): Promise<Buffer | 'closed'> {
  return new Promise((resolve) => {
    const channel = {
      ...{ listener: 'test', remoteAddress: 'test', isClosed: false, nowMs: () => 0 },
      answered: () => {
        if (request.pieces?.length) resolve(Buffer.concat([...request.pieces]))
      },
      close: () => resolve('closed'),
    }
    const header = { api, version, correlationId: 7, clientId: null }
    const request = new Request(channel, header, body, client.broker.pool.take(8))
    handlers.get(api.key)?.(client.broker, request)
  })
}

describe('a version that is valid and not advertised', () => {
  test('is none but the unstable one of InitProducerId, and it costs the connection', async () => {
    const hidden = allApis.flatMap((api) => {
      const [, lastAdvertised] = api.advertised
      const [, lastValid] = api.request.versions
      return lastValid > lastAdvertised && handlers.has(api.key) ? [[api.name, lastValid]] : []
    })
    expect(hidden).toEqual([['InitProducerId', 6]])
    const producer = {
      ...{ transactionalId: null, transactionTimeoutMs: 0, producerId: -1, producerEpoch: -1 },
      ...{ enable2Pc: false, keepPreparedTxn: false },
    }
    const api = apis.initProducerId as unknown as AnyApi
    expect(await dispatched(api, 6, producer)).toBe('closed')
    expect(await dispatched(api, 5, producer)).not.toBe('closed')
  })
})
