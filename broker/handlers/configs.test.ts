import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { BROKER_CONFIGS } from '../config/broker-config-table.ts'
import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/record-batch.ts'
import {
  type Alteration,
  APPEND,
  configClient,
  DELETE,
  RESOURCE_TYPE,
  SET,
  SUBTRACT,
} from '../testing/config-client.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

const {
  topic: TOPIC,
  broker: BROKER,
  logger: LOGGER,
  metrics: METRICS,
  group: GROUP,
} = RESOURCE_TYPE

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

const configsOf = (name: string) => {
  const { image } = client.broker.node
  return image.topics.get(image.topicIds.get(name) ?? '')?.configs
}

describe('describing', () => {
  test('a topic: all that Kafka has, with what stands behind each value', async () => {
    await createTopic(client, 'told')
    await alter(TOPIC, 'told', [[SET, 'cleanup.policy', ' compact , delete']])
    const { configs, error } = await describeConfigs(TOPIC, 'told')
    expect(error).toBe('NONE')
    expect(configs.map(({ name }) => name)).toEqual([...TOPIC_CONFIGS.keys()])
    const told = new Map(configs.map((config) => [config.name, config]))
    expect(told.get('cleanup.policy')).toMatchObject({
      value: 'compact,delete',
      configSource: 1,
      readOnly: false,
      configType: 7,
      synonyms: [
        { name: 'cleanup.policy', value: 'compact,delete', source: 1 },
        { name: 'log.cleanup.policy', value: 'delete', source: 5 },
      ],
    })
    expect(told.get('max.message.bytes')).toMatchObject({
      value: '2000',
      configSource: 4,
      configType: 3,
      synonyms: [
        { name: 'message.max.bytes', value: '2000', source: 4 },
        { name: 'message.max.bytes', value: '1048588', source: 5 },
      ],
    })
    // Kafka tells nothing of hours behind milliseconds.
    expect(told.get('retention.ms')).toMatchObject({ configSource: 5, synonyms: [] })
    for (const { documentation } of configs) expect(documentation).toMatch(/\.$/)
  })

  test('a broker: its own configs, and no secrets', async () => {
    const { configs, error } = await describeConfigs(BROKER, String(client.nodeId))
    expect(error).toBe('NONE')
    expect(configs.map(({ name }) => name)).toEqual([...BROKER_CONFIGS.keys()])
    const told = new Map(configs.map((config) => [config.name, config]))
    expect(told.get('ssl.key.password')).toMatchObject({ value: null, isSensitive: true })
    expect(told.get('ssl.key.password')?.synonyms).toMatchObject([{ value: null, source: 4 }])
    expect(told.get('node.id')).toMatchObject({ value: String(client.nodeId), readOnly: true })
    expect(told.get('num.partitions')).toMatchObject({ value: '1', configSource: 5 })
  })

  test('the keys that are asked for, in every version', async () => {
    for (let version = 1; version <= 4; version++) {
      const keys = ['retention.ms', 'no.such']
      const { configs } = await describeConfigs(TOPIC, 'told', keys, version)
      expect(configs.map(({ name, value }) => [name, value])).toEqual([
        ['retention.ms', '604800000'],
      ])
    }
  })

  test('what is not there, or not here, has no configs', async () => {
    const errors = []
    for (const [type, name] of [
      [TOPIC, 'nowhere'],
      [TOPIC, 'b d'],
      [BROKER, '4711'],
      [BROKER, 'x'],
      [LOGGER, ''],
      [0, 'x'],
    ] as const) {
      errors.push((await describeConfigs(type, name)).error)
    }
    expect(errors).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      'INVALID_TOPIC_EXCEPTION',
      ...Array(4).fill('INVALID_REQUEST'),
    ])
    expect(await describeConfigs(BROKER, '')).toMatchObject({ error: 'NONE', configs: [] })
  })
})

describe('altering', () => {
  test('sets, removes, adds to lists and takes from them', async () => {
    await createTopic(client, 'altered')
    const steps: [Alteration, Record<string, string>][] = [
      [[SET, 'retention.ms', '5'], { 'retention.ms': '5' }],
      [
        [APPEND, 'cleanup.policy', 'compact'],
        { 'retention.ms': '5', 'cleanup.policy': 'delete,compact' },
      ],
      [
        [APPEND, 'cleanup.policy', 'compact'],
        { 'retention.ms': '5', 'cleanup.policy': 'delete,compact' },
      ],
      [
        [SUBTRACT, 'cleanup.policy', 'delete'],
        { 'retention.ms': '5', 'cleanup.policy': 'compact' },
      ],
      [[DELETE, 'retention.ms'], { 'cleanup.policy': 'compact' }],
      [[DELETE, 'retention.ms'], { 'cleanup.policy': 'compact' }],
    ]
    for (const [alteration, expected] of steps) {
      expect(await alter(TOPIC, 'altered', [alteration])).toBe('NONE')
      expect(configsOf('altered')).toEqual(expected)
    }
  })

  test('lets no list grow beyond what clients can be told', async () => {
    await createTopic(client, 'growing')
    const append = (start: number) => {
      const pairs = Array.from({ length: 3_000 }, (_, at) => `${start + at}:1`)
      return alter(TOPIC, 'growing', [
        [APPEND, 'leader.replication.throttled.replicas', pairs.join()],
      ])
    }
    expect(await append(10_000)).toBe('NONE')
    expect(await append(20_000)).toBe('INVALID_CONFIG')
  })

  test('is obeyed from then on', async () => {
    await createTopic(client, 'obeyed')
    const value = Buffer.alloc(1000)
    const batch = () => buildBatch([{ key: null, value, timestamp: 1 }])
    expect((await produce(client, 'obeyed', 0, batch())).errorCode).toBe(0)
    await alter(TOPIC, 'obeyed', [[SET, 'max.message.bytes', '500']])
    const { errorCode } = await produce(client, 'obeyed', 0, batch())
    expect(errorName(errorCode)).toBe('MESSAGE_TOO_LARGE')
  })

  test('changes nothing when one value is wrong, or when it only validates', async () => {
    await createTopic(client, 'unaltered')
    const good: Alteration = [SET, 'retention.ms', '5']
    const bad: Alteration = [SET, 'segment.bytes', '5']
    expect(await alter(TOPIC, 'unaltered', [good, bad])).toBe('INVALID_CONFIG')
    expect(await alter(TOPIC, 'unaltered', [good], true)).toBe('NONE')
    expect(await alter(TOPIC, 'unaltered', [bad], true)).toBe('INVALID_CONFIG')
    expect(configsOf('unaltered')).toEqual({})
  })

  test('refuses what Kafka refuses', async () => {
    await createTopic(client, 'strict')
    const errors: Record<string, string> = {}
    const wishes: Record<string, [number, string, Alteration[]]> = {
      'no topic': [TOPIC, 'nowhere', [[SET, 'retention.ms', '5']]],
      'no name': [TOPIC, '', []],
      'bad name': [TOPIC, 'b d', []],
      'no config': [TOPIC, 'strict', [[SET, 'no.such', '5']]],
      'no list': [TOPIC, 'strict', [[APPEND, 'retention.ms', '5']]],
      'no value': [TOPIC, 'strict', [[SET, 'retention.ms']]],
      'no operation': [TOPIC, 'strict', [[9, 'retention.ms', '5']]],
      twice: [
        TOPIC,
        'strict',
        [
          [SET, 'retention.ms', '5'],
          [DELETE, 'retention.ms'],
        ],
      ],
      'other broker': [BROKER, '4711', []],
      'fixed config': [BROKER, String(client.nodeId), [[SET, 'num.partitions', '5']]],
      'no logger': [LOGGER, String(client.nodeId), [[SET, 'kafka', 'INFO']]],
      'no level': [LOGGER, String(client.nodeId), [[SET, 'root', 'LOUD']]],
      'not the root': [LOGGER, String(client.nodeId), [[DELETE, 'root']]],
      'no list of levels': [LOGGER, String(client.nodeId), [[APPEND, 'root', 'INFO']]],
      'other logger': [LOGGER, '4711', [[SET, 'root', 'INFO']]],
      'no group': [GROUP, '', []],
      'beyond its bound': [GROUP, 'g', [[SET, 'consumer.session.timeout.ms', '1']]],
      'no config of groups': [GROUP, 'g', [[SET, 'session.timeout.ms', '1']]],
      'no subscription': [METRICS, '', []],
      'no config of metrics': [METRICS, 'm', [[SET, 'x', '1']]],
      'no type': [64, 'x', []],
    }
    for (const [what, [type, name, alterations]] of Object.entries(wishes)) {
      errors[what] = await alter(type, name, alterations)
    }
    expect(errors).toEqual({
      'no topic': 'UNKNOWN_TOPIC_OR_PARTITION',
      'no name': 'INVALID_REQUEST',
      'bad name': 'INVALID_TOPIC_EXCEPTION',
      'no config': 'INVALID_CONFIG',
      'no list': 'INVALID_CONFIG',
      'no value': 'INVALID_REQUEST',
      'no operation': 'INVALID_REQUEST',
      twice: 'INVALID_REQUEST',
      'other broker': 'INVALID_REQUEST',
      'fixed config': 'INVALID_REQUEST',
      'no logger': 'INVALID_CONFIG',
      'no level': 'INVALID_CONFIG',
      'not the root': 'INVALID_REQUEST',
      'no list of levels': 'INVALID_REQUEST',
      'other logger': 'INVALID_REQUEST',
      'no group': 'INVALID_REQUEST',
      'beyond its bound': 'INVALID_CONFIG',
      'no config of groups': 'INVALID_CONFIG',
      'no subscription': 'INVALID_REQUEST',
      'no config of metrics': 'INVALID_REQUEST',
      'no type': 'INVALID_REQUEST',
    })
    expect(configsOf('strict')).toEqual({})
  })

  test('grants the throttles of a reassignment', async () => {
    const id = String(client.nodeId)
    const rate = 'leader.replication.throttled.rate'
    expect(await alter(BROKER, id, [[SET, rate, '1000']])).toBe('NONE')
    expect(await told(BROKER, id, rate)).toMatchObject({ value: '1000', configSource: 2 })
    expect(await alter(BROKER, id, [[DELETE, rate]])).toBe('NONE')
    expect(await told(BROKER, id, rate)).toBe(undefined)
  })

  test('all at once: what is not named goes back to its default', async () => {
    await createTopic(client, 'replaced')
    const replace = async (configs: Record<string, string | null>, validateOnly = false) => {
      const { responses } = await client.call(apis.alterConfigs, 2, {
        resources: [
          {
            resourceType: TOPIC,
            resourceName: 'replaced',
            configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
          },
        ],
        validateOnly,
      })
      return errorName(responses[0]?.errorCode ?? 0)
    }
    const first = { 'retention.ms': '5', 'segment.bytes': '2000000' }
    expect(await replace(first)).toBe('NONE')
    expect(configsOf('replaced')).toEqual(first)
    expect(await replace({ 'retention.ms': '6' }, true)).toBe('NONE')
    expect(await replace({ 'retention.ms': 'soon' })).toBe('INVALID_CONFIG')
    expect(await replace({ 'retention.ms': null })).toBe('INVALID_REQUEST')
    expect(configsOf('replaced')).toEqual(first)
    expect(await replace({ 'segment.bytes': '2000001' })).toBe('NONE')
    expect(configsOf('replaced')).toEqual({ 'segment.bytes': '2000001' })
    expect(await replace({})).toBe('NONE')
    expect(configsOf('replaced')).toEqual({})
    const loggers = await client.call(apis.alterConfigs, 0, {
      resources: [{ resourceType: LOGGER, resourceName: String(client.nodeId), configs: [] }],
      validateOnly: true,
    })
    expect(loggers.responses.map(({ errorCode }) => errorName(errorCode))).toEqual([
      'INVALID_REQUEST',
    ])
  })

  test('the level of the log, until the broker ends', async () => {
    const id = String(client.nodeId)
    expect(await told(LOGGER, id, 'root')).toMatchObject({ value: 'INFO', configSource: 6 })
    expect(await alter(LOGGER, id, [[SET, 'root', 'WARN']], true)).toBe('NONE')
    expect(client.broker.logLevel.current).toBe('info')
    expect(await alter(LOGGER, id, [[SET, 'root', 'TRACE']])).toBe('NONE')
    expect(client.broker.logLevel.current).toBe('debug')
    expect(await told(LOGGER, id, 'root')).toMatchObject({ value: 'DEBUG', readOnly: false })
    expect(await alter(LOGGER, id, [[SET, 'root', 'INFO']])).toBe('NONE')
  })

  test("groups, and subscriptions to clients' metrics", async () => {
    const session = 'consumer.session.timeout.ms'
    expect(await alter(GROUP, 'g', [[SET, session, '50000']])).toBe('NONE')
    expect(await told(GROUP, 'g', session)).toMatchObject({ value: '50000', configSource: 8 })
    // The names of groups are any strings: one must not be taken for a part of another.
    expect(await alter(GROUP, 'g\nh', [[SET, session, '51000']])).toBe('NONE')
    expect(await told(GROUP, 'g', session)).toMatchObject({ value: '50000' })
    expect(await told(GROUP, 'other', session)).toMatchObject({ value: '45000', configSource: 5 })
    expect(await alter(GROUP, 'g', [[DELETE, session]])).toBe('NONE')
    expect(await told(GROUP, 'g', session)).toMatchObject({ value: '45000', configSource: 5 })
    expect(await alter(METRICS, 'm', [[APPEND, 'metrics', 'a.b']])).toBe('NONE')
    expect(await alter(METRICS, 'm', [[APPEND, 'metrics', 'c']])).toBe('NONE')
    expect(await told(METRICS, 'm', 'metrics')).toMatchObject({ value: 'a.b,c', configSource: 7 })
    expect(await told(METRICS, 'm', 'interval.ms')).toMatchObject({ value: '300000' })
  })
})

test('what has configs is listed, by its kind', async () => {
  const cluster = await TestCluster.start(1)
  try {
    const [one] = cluster.brokers as [TestBroker]
    await createTopic(one, 'listed')
    const set = (resourceType: number, resourceName: string, name: string, value: string) =>
      one.call(apis.alterConfigs, 2, {
        resources: [{ resourceType, resourceName, configs: [{ name, value }] }],
        validateOnly: false,
      })
    await set(GROUP, 'a\nb', 'consumer.session.timeout.ms', '50000')
    await set(METRICS, 'm', 'interval.ms', '500')
    const list = async (resourceTypes: number[], version = 1) => {
      const response = await one.call(apis.listConfigResources, version, { resourceTypes })
      const { errorCode, configResources } = response
      if (errorCode !== 0) return errorName(errorCode)
      return configResources.map(({ resourceName, resourceType }) => [resourceType, resourceName])
    }
    const id = String(one.nodeId)
    expect(await list([])).toEqual([
      [GROUP, 'a\nb'],
      [METRICS, 'm'],
      [LOGGER, id],
      [BROKER, id],
      [TOPIC, 'listed'],
    ])
    expect(await list([TOPIC, GROUP])).toEqual([
      [GROUP, 'a\nb'],
      [TOPIC, 'listed'],
    ])
    expect(await list([], 0)).toEqual([[METRICS, 'm']])
    expect(await list([3])).toBe('UNSUPPORTED_VERSION')
  } finally {
    cluster.stop()
  }
})
