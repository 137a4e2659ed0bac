import { join } from 'node:path'
import { beforeAll, expect, test } from '@jest/globals'
import { FETCH_MS_MAX, runJavaWithKafka } from '../testing/kafka-tools.ts'
import { BrokerConfig, whyNotBrokerConfigs } from './broker-config.ts'
import { BROKER_CONFIGS } from './broker-config-table.ts'
import { type ConfigDefinition, shownValue } from './config-definition.ts'
import { effectiveValue, topicSettings, whyNotTopicConfigs } from './topic-config.ts'
import { TOPIC_CONFIGS, type TopicConfigDefinition } from './topic-config-table.ts'

/** What Kafka says, by kind of line, as KafkaConfigs.java prints it. */
const kafka = new Map<string, string[][]>()

beforeAll(async () => {
  const output = await runJavaWithKafka(join(import.meta.dirname, 'KafkaConfigs.java'))
  for (const line of output.trimEnd().split('\n')) {
    const [kind = '', ...fields] = line.split('\t')
    const lines = kafka.get(kind)
    if (lines === undefined) kafka.set(kind, [fields])
    else lines.push(fields)
  }
}, FETCH_MS_MAX)

/** Kafka's words for limits, where we have the same ones. */
function wordsFor({ rule }: ConfigDefinition): string | null {
  const { min, max, or, oneOf } = rule
  if (oneOf !== undefined) return `[${oneOf.join(', ')}]`
  if (min === undefined) return null
  const range = max === undefined ? `[${min},...]` : `[${min},...,${max}]`
  return or === undefined ? range : `${range} or ${or}`
}

/** Limits that the tables leave to whoever will obey the config, or that are no limits. */
const LIMITS_LEFT_OUT = /^null$|^non-|case insensitive|partitionId|^$/

function compare(ours: ReadonlyMap<string, ConfigDefinition>, theirs: readonly string[][]): void {
  expect([...ours.keys()]).toEqual(theirs.map(([name]) => name))
  for (const [name = '', type = '', fallback = '', limits = ''] of theirs) {
    const definition = ours.get(name) as ConfigDefinition
    const isJavaClass = fallback.startsWith('org.apache.kafka.')
    expect({ name, type: definition.type, default: definition.default }).toEqual({
      name,
      type: type.toLowerCase(),
      default: fallback === 'null' || isJavaClass ? null : fallback,
    })
    if (!LIMITS_LEFT_OUT.test(limits)) expect([name, wordsFor(definition)]).toEqual([name, limits])
  }
}

test('brokers have the configs of Kafka, with its types, defaults and limits', () => {
  compare(BROKER_CONFIGS, kafka.get('broker') ?? [])
})

test('topics have the configs of Kafka, with its types, defaults and limits', () => {
  compare(TOPIC_CONFIGS, kafka.get('topic') ?? [])
})

test('configs of topics fall back to those of the broker that they do in Kafka', () => {
  const ours: string[][] = []
  for (const { name, synonyms } of TOPIC_CONFIGS.values()) {
    for (const synonym of synonyms) ours.push([name, synonym.name, String(7 * synonym.factor)])
  }
  expect(ours).toEqual(
    [...(kafka.get('synonym') ?? [])].sort(([a = ''], [b = '']) => (a < b ? -1 : a > b ? 1 : 0)),
  )
})

test('a value is taken, refused, and shown as Kafka does', () => {
  const config = new BrokerConfig({})
  const values = kafka.get('value') ?? []
  expect(values.length).toBeGreaterThan(1_000)
  for (const [name = '', value = '', expected] of values) {
    const definition = TOPIC_CONFIGS.get(name) as ConfigDefinition
    const why = whyNotTopicConfigs(config, [{ name, value }])
    const outcome = why === null ? `=${shownValue(definition, value)}` : 'refused'
    expect({ name, value, outcome }).toEqual({ name, value, outcome: expected })
  }
})

test('every default is a value that its own config takes', () => {
  for (const { name, default: value } of TOPIC_CONFIGS.values()) {
    expect(whyNotTopicConfigs(new BrokerConfig({}), [{ name, value }])).toBe(null)
  }
  for (const { name, default: value } of BROKER_CONFIGS.values()) {
    if (value !== null) expect(whyNotBrokerConfigs({ [name]: value })).toBe(null)
  }
})

const topicOf = (configs: Record<string, string>) => ({
  topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
  name: 't',
  partitions: [],
  configs,
})

test('a topic obeys its own setting, then the broker, then the default', () => {
  const config = new BrokerConfig({ 'message.max.bytes': '2000' })
  expect(topicSettings(config, topicOf({ 'max.message.bytes': '1000' })).messageBytesMax).toBe(1000)
  expect(topicSettings(config, topicOf({})).messageBytesMax).toBe(2000)
  expect(topicSettings(new BrokerConfig({}), topicOf({})).messageBytesMax).toBe(1048588)
  const stamped = { 'message.timestamp.type': ' LogAppendTime' }
  expect(topicSettings(config, topicOf(stamped)).logAppendTime).toBe(true)
  expect(topicSettings(config, topicOf({})).logAppendTime).toBe(false)
})

test('the finest unit that the broker was given counts, in milliseconds', () => {
  const retention = TOPIC_CONFIGS.get('retention.ms') as TopicConfigDefinition
  const given = (values: Record<string, string>) =>
    effectiveValue(new BrokerConfig(values), {}, retention)
  expect(given({ 'log.retention.hours': '2' })).toEqual({ value: '7200000', source: 'broker' })
  expect(given({ 'log.retention.hours': '2', 'log.retention.minutes': '3' }).value).toBe('180000')
  expect(given({ 'log.retention.ms': '5', 'log.retention.minutes': '3' }).value).toBe('5')
  expect(given({ 'log.retention.hours': '-1' }).value).toBe('-1')
  expect(given({})).toEqual({ value: '604800000', source: 'default' })
})

test('what is wrong is said in words that name the config and the value', () => {
  const why = (name: string, value: string | null) =>
    whyNotTopicConfigs(new BrokerConfig({}), [{ name, value }])
  expect(why('retention.ms', 'soon')).toBe(
    'Invalid value soon for configuration retention.ms: Not a number of type LONG',
  )
  expect(why('no.such', '1')).toBe('Unknown topic config name: no.such')
  expect(why('retention.ms', null)).toBe('Null value not supported for topic configs: retention.ms')
  const both = whyNotTopicConfigs(new BrokerConfig({}), [
    { name: 'min.compaction.lag.ms', value: '10' },
    { name: 'max.compaction.lag.ms', value: '9' },
  ])
  expect(both).toMatch('min.compaction.lag.ms (10) > max.compaction.lag.ms (9)')
  expect(whyNotBrokerConfigs({ 'num.partitions': '0' })).toMatch('num.partitions')
})
