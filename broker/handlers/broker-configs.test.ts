import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { BROKER_CONFIGS } from '../config/broker-config-table.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/record-batch.ts'
import {
  type Alteration,
  configClient,
  DELETE,
  RESOURCE_TYPE,
  SET,
} from '../testing/config-client.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

const { topic: TOPIC, broker: BROKER } = RESOURCE_TYPE

let cluster: TestCluster
let client: TestBroker

beforeAll(async () => {
  cluster = await TestCluster.start(1, {
    'message.max.bytes': '2000',
    'ssl.key.password': 'secret',
  })
  client = cluster.brokers[0] as TestBroker
})
afterAll(() => cluster.stop())

const { describeConfigs, alter, told } = configClient(() => client)

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

const id = () => String(client.nodeId)

test('of one broker over those of all, over those of the start, at once', async () => {
  const name = 'message.max.bytes'
  const source = async () => {
    const { value, configSource, synonyms } = (await told(BROKER, id(), name)) ?? {}
    return [value, configSource, synonyms?.length]
  }
  expect(await source()).toEqual(['2000', 4, 2])
  expect(await alter(BROKER, '', [[SET, name, '3000']])).toBe('NONE')
  expect(await source()).toEqual(['3000', 3, 3])
  expect(await alter(BROKER, id(), [[SET, name, '4000']])).toBe('NONE')
  expect(await source()).toEqual(['4000', 2, 4])
  expect(await told(BROKER, '', name)).toMatchObject({ value: '3000', configSource: 3 })
  expect(await alter(BROKER, id(), [[DELETE, name]])).toBe('NONE')
  expect(await source()).toEqual(['3000', 3, 3])
  expect(await alter(BROKER, '', [[DELETE, name]])).toBe('NONE')
  expect(await source()).toEqual(['2000', 4, 2])
  expect((await describeConfigs(BROKER, '')).configs).toEqual([])
})

test('are obeyed by topics that were produced to before', async () => {
  await createTopic(client, 'following')
  const value = Buffer.alloc(1000)
  const send = async () => {
    const batch = buildBatch([{ key: null, value, timestamp: 1 }])
    return errorName((await produce(client, 'following', 0, batch)).errorCode)
  }
  expect(await send()).toBe('NONE')
  await alter(BROKER, '', [[SET, 'message.max.bytes', '500']])
  expect(await send()).toBe('MESSAGE_TOO_LARGE')
  await alter(BROKER, id(), [[SET, 'message.max.bytes', '5000']])
  expect(await send()).toBe('NONE')
  await alter(TOPIC, 'following', [[SET, 'max.message.bytes', '600']])
  expect(await send()).toBe('MESSAGE_TOO_LARGE')
  await alter(BROKER, '', [[DELETE, 'message.max.bytes']])
  await alter(BROKER, id(), [[DELETE, 'message.max.bytes']])
})

test('reach brokers that were not asked, and those that start later', async () => {
  const name = 'max.connections'
  const others = await TestCluster.start(2)
  try {
    const [one, two] = others.brokers as [TestBroker, TestBroker]
    const set = (resourceName: string, value: string) =>
      one.call(apis.incrementalAlterConfigs, 1, {
        resources: [
          {
            resourceType: BROKER,
            resourceName,
            configs: [{ name, configOperation: SET, value }],
          },
        ],
        validateOnly: false,
      })
    await set('', '7')
    await set(String(one.nodeId), '9')
    const refused = await set(String(two.nodeId), '9')
    expect(errorName(refused.responses[0]?.errorCode ?? 0)).toBe('INVALID_REQUEST')
    expect(one.broker.config.number(name)).toBe(9)
    await until(() => two.broker.config.number(name) === 7)
    const three = await others.addBroker({ [name]: '5' })
    expect(three.broker.config.number(name)).toBe(7)
  } finally {
    others.stop()
  }
})

test('are refused where Kafka refuses them, and change nothing then', async () => {
  const refused: [string, string, string][] = [
    [id(), 'num.partitions', '5'],
    ['', 'listeners', 'PLAINTEXT://:1'],
    [id(), 'listeners', 'PLAINTEXT://:1'],
    [id(), 'ssl.keystore.location', '/x'],
    [id(), 'listener.name.x.ssl.keystore.location', '/x'],
    [id(), 'message.max.bytes', 'many'],
    [id(), 'num.io.threads', '100'],
    [id(), 'a\nb', 'c'],
  ]
  for (const [resource, name, value] of refused) {
    const good: Alteration = [SET, 'log.retention.ms', '5']
    const error = await alter(BROKER, resource, [good, [SET, name, value]])
    expect([name, error]).toEqual([name, 'INVALID_REQUEST'])
  }
  expect(await alter(BROKER, '', [[SET, 'log.retention.ms', '5']], true)).toBe('NONE')
  expect(await told(BROKER, id(), 'log.retention.ms')).toMatchObject({ value: null })
})

test('secrets, and what might be one, are never told', async () => {
  for (const name of ['my.plugin.token', 'constructor', '__proto__', 'sasl.jaas.config']) {
    expect(await alter(BROKER, id(), [[SET, name, 'hush']])).toBe('NONE')
    expect(await told(BROKER, id(), name)).toMatchObject({
      value: null,
      isSensitive: true,
      synonyms: [{ name, value: null, source: 2 }],
    })
    expect(await alter(BROKER, id(), [[DELETE, name]])).toBe('NONE')
  }
  const { configs } = await describeConfigs(BROKER, id())
  expect(configs.map(({ name }) => name)).toEqual([...BROKER_CONFIGS.keys()])
})
