import { join } from 'node:path'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { configKey } from '../../metadata/image.ts'
import { BrokerConfig } from '../config/broker-config.ts'
import { BROKER_CONFIGS } from '../config/broker-config-table.ts'
import { CLIENT_METRICS_CONFIGS, whyNotClientMetrics } from '../config/client-metrics-config.ts'
import { type ConfigDefinition, listOf } from '../config/config-definition.ts'
import { brokerDefinition, isPerListener, updateModeOf } from '../config/dynamic-configs.ts'
import { whyNotGroupConfigs } from '../config/group-config.ts'
import { GROUP_CONFIGS } from '../config/group-config-table.ts'
import { TOPIC_CONFIGS } from '../config/topic-config-table.ts'
import { FETCH_MS_MAX, runJavaWithKafka } from '../testing/kafka-tools.ts'
import {
  brokerEntry,
  clientMetricsEntry,
  clusterEntry,
  type Entry,
  groupEntry,
  topicEntry,
} from './described-config.ts'

/** What Kafka says, by kind of line, as KafkaDynamicConfigs.java prints it. */
const kafka = new Map<string, string[][]>()

beforeAll(async () => {
  const output = await runJavaWithKafka(join(import.meta.dirname, 'KafkaDynamicConfigs.java'))
  for (const line of output.split('\n').slice(0, -1)) {
    const [kind = '', ...fields] = line.split('\t')
    const lines = kafka.get(kind)
    if (lines === undefined) kafka.set(kind, [fields])
    else lines.push(fields)
  }
}, FETCH_MS_MAX)

function pairs(text: string): Record<string, string> {
  const all = text.split(' ').filter((pair) => pair !== '')
  return Object.fromEntries(all.map((pair) => pair.split(/=(.*)/s).slice(0, 2)))
}

const NODE = 1

/** A broker's configs with these set at its start, of the cluster, and of itself. */
function layered(start: string, cluster: string, own: string): BrokerConfig {
  const configs = new Map<string, string>()
  const set = (name: string, values: string) => {
    for (const [key, value] of Object.entries(pairs(values))) {
      configs.set(configKey('broker', name, key), value)
    }
  }
  set('', cluster)
  set(String(NODE), own)
  const config = new BrokerConfig(pairs(start))
  config.follow({ nodeId: NODE, image: { configs }, log: { onApplied: () => {} } })
  return config
}

test('brokers have the update modes of Kafka', () => {
  const modes = kafka.get('mode') ?? []
  expect(modes.length).toBeGreaterThan(90)
  const dynamic = new Set<string>()
  for (const [name = '', mode, perListener] of modes) {
    dynamic.add(name)
    expect([name, updateModeOf(name), String(isPerListener(name))]).toEqual([
      name,
      mode,
      perListener,
    ])
  }
  const others = [...BROKER_CONFIGS.keys()].filter((name) => !dynamic.has(name))
  for (const name of others) expect([name, updateModeOf(name)]).toEqual([name, 'read-only'])
})

test('what exists only while brokers run, and what groups have, is defined as in Kafka', () => {
  const words = ({ rule }: ConfigDefinition) => {
    if (rule.shareReset) return '[latest, earliest, by_duration:PnDTnHnMn.nS]'
    if (rule.oneOf !== undefined) return `[${rule.oneOf.join(', ')}]`
    return rule.min === undefined ? 'null' : `[${rule.min},...]`
  }
  for (const [name = '', type = '', fallback, limits] of kafka.get('dynamic') ?? []) {
    const definition = brokerDefinition(name) as ConfigDefinition
    const { type: ours, default: byDefault } = definition
    expect([ours.toUpperCase(), byDefault, words(definition)]).toEqual([type, fallback, limits])
  }
  const groups = [...GROUP_CONFIGS.values()].map((definition) => {
    const { name, type, default: fallback, synonym } = definition
    return [name, type.toUpperCase(), fallback, words(definition), synonym ?? '']
  })
  expect(groups).toEqual(kafka.get('group'))
})

describe('a change is taken or refused as Kafka does', () => {
  /** What needs more of Kafka's broker than the comparison has; here, the rules of its sources. */
  const LEFT_OUT =
    /^(metric\.reporters|num\.network\.threads|remote\.log\.(manager\..*pool.*|reader\.threads))$/

  test('one config of a broker, or of all of them', () => {
    const config = new BrokerConfig({})
    const changes = kafka.get('alter') ?? []
    expect(changes.length).toBeGreaterThan(8_000)
    for (const [scope = '', name = '', value = '', expected] of changes) {
      if (LEFT_OUT.test(name)) continue
      const why = config.whyNotChange({ [name]: value }, scope === 'own')
      const outcome = why === null ? 'NONE' : 'INVALID_REQUEST'
      expect({ scope, name, value, outcome }).toEqual({ scope, name, value, outcome: expected })
    }
  })

  test('one config beside others', () => {
    const changes = kafka.get('together') ?? []
    expect(changes.length).toBeGreaterThan(20)
    for (const [scope, before = '', change = '', expected] of changes) {
      const own = scope === 'own'
      const config = layered('', own ? '' : before, own ? before : '')
      const why = config.whyNotChange({ ...pairs(before), ...pairs(change) }, own)
      const outcome = why === null ? 'NONE' : 'INVALID_REQUEST'
      expect({ before, change, outcome }).toEqual({ before, change, outcome: expected })
    }
  })

  test('configs of groups', () => {
    const config = new BrokerConfig({})
    const values = (kafka.get('groupvalue') ?? []).map(([name = '', value = '', expected]) => {
      return { own: { [name]: value } as Record<string, string>, expected }
    })
    expect(values.length).toBeGreaterThan(700)
    for (const [text = '', expected] of kafka.get('grouppair') ?? []) {
      values.push({ own: pairs(text), expected })
    }
    for (const { own, expected } of values) {
      const outcome = whyNotGroupConfigs(config, own) === null ? 'NONE' : 'INVALID_CONFIG'
      expect({ own, outcome }).toEqual({ own, outcome: expected })
    }
  })

  test("configs of subscriptions to clients' metrics", () => {
    const values = kafka.get('metricsvalue') ?? []
    expect(values.length).toBeGreaterThan(10)
    for (const [text = '', expected] of values) {
      const refusal = whyNotClientMetrics(pairs(text))
      const error = refusal?.isRequest ? 'INVALID_REQUEST' : 'INVALID_CONFIG'
      expect([text, refusal === null ? 'NONE' : error]).toEqual([text, expected])
    }
  })
})

describe('configs are described as Kafka does', () => {
  /** Java classes, and what differs because a broker here is another process. */
  const LEFT_OUT =
    /\.class(\.name)?$|^(node\.id|broker\.id|process\.roles|metric\.reporters|controller\..*)$/

  function lineOf(entry: Entry): string[] {
    const synonyms = entry.synonyms.map(({ name, value, source }) => `${name}=${value}@${source}`)
    return [
      entry.name,
      String(entry.value),
      String(entry.configSource),
      String(entry.readOnly),
      String(entry.isSensitive),
      String(entry.configType),
      synonyms.join(' '),
    ]
  }

  function ours(kind: string, scenario: readonly string[]): Entry[] {
    const [, start = '', cluster = '', own = '', topic = '', group = '', metrics = ''] = scenario
    const config = layered(start, cluster, own)
    switch (kind) {
      case 'topic':
        return [...TOPIC_CONFIGS.values()].map((each) => topicEntry(config, pairs(topic), each))
      case 'broker': {
        const names = new Set([...BROKER_CONFIGS.keys(), ...config.names()])
        return [...names].map((name) => brokerEntry(config, name))
      }
      case 'default':
        return Object.entries(pairs(cluster)).map(([name, value]) => clusterEntry(name, value))
      case 'group':
        return [...GROUP_CONFIGS.values()].map((each) => groupEntry(config, pairs(group), each))
      default:
        return [...CLIENT_METRICS_CONFIGS.values()].map((each) => {
          return clientMetricsEntry(pairs(metrics), each)
        })
    }
  }

  test.each(['topic', 'broker', 'default', 'group', 'metrics'])('%s', (kind) => {
    const scenarios = kafka.get('scenario') ?? []
    expect(scenarios.length).toBe(3)
    let compared = 0
    for (const scenario of scenarios) {
      const theirs = (kafka.get('described') ?? [])
        .filter(([name, described]) => name === scenario[0] && described === kind)
        .map((fields) => fields.slice(2))
        .filter(([name = '']) => !LEFT_OUT.test(name))
      const told = ours(kind, scenario).filter(({ name }) => !LEFT_OUT.test(name))
      for (const { documentation } of told) expect(documentation).toMatch(/\.$/)
      const byName = ([a = '']: string[], [b = '']: string[]) => (a < b ? -1 : a > b ? 1 : 0)
      expect(told.map(lineOf).sort(byName)).toEqual(theirs.sort(byName))
      compared += theirs.length
    }
    expect(compared).toBeGreaterThan(4)
  })
})

test('no list has a default that is not a list', () => {
  for (const { type, default: value } of BROKER_CONFIGS.values()) {
    if (type === 'list' && value !== null) expect(listOf(value).join(',')).toBe(value)
  }
})
