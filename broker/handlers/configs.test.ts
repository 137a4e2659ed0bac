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
      logger: [LOGGER, String(client.nodeId), []],
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
      logger: 'INVALID_REQUEST',
    })
    expect(configsOf('strict')).toEqual({})
  })

  test('grants the throttles of a reassignment, and forgets them', async () => {
    const id = String(client.nodeId)
    const rate = 'leader.replication.throttled.rate'
    expect(await alter(BROKER, id, [[SET, rate, '1000']])).toBe('NONE')
    expect(await alter(BROKER, id, [[DELETE, rate]])).toBe('NONE')
  })
})
