import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { BROKER_CONFIGS } from '../config/broker-config-table.ts'
import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/record-batch.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

const TOPIC = 2
const BROKER = 4
const LOGGER = 8
const METRICS = 16
const GROUP = 32
const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

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

async function describeConfigs(
  resourceType: number,
  resourceName: string,
  configurationKeys: readonly string[] | null = null,
  version = 4,
) {
  const { results } = await client.call(apis.describeConfigs, version, {
    resources: [{ resourceType, resourceName, configurationKeys }],
    includeSynonyms: true,
    includeDocumentation: true,
  })
  const [result] = results
  if (result === undefined) throw new Error('the response says nothing')
  return { ...result, error: errorName(result.errorCode) }
}

type Alteration = readonly [operation: number, name: string, value?: string | null]

async function alter(
  resourceType: number,
  resourceName: string,
  alterations: readonly Alteration[],
  validateOnly = false,
): Promise<string> {
  const configs = alterations.map(([configOperation, name, value]) => {
    return { name, configOperation, value: value ?? null }
  })
  const { responses } = await client.call(apis.incrementalAlterConfigs, 1, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly,
  })
  return errorName(responses[0]?.errorCode ?? 0)
}

/** One entry of a resource, or undefined where it has none of that name. */
async function told(resourceType: number, resourceName: string, name: string) {
  const { configs } = await describeConfigs(resourceType, resourceName)
  return configs.find((config) => config.name === name)
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

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

describe('configs of brokers', () => {
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
})
