import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Cluster } from './lib/cluster.ts'
import { FETCH_MS_MAX, fetchKafkaTools, kafkaTool } from './lib/kafka-tools.ts'
import { until } from './lib/wait.ts'

const TEST_MS_MAX = 180_000

let cluster: Cluster
let bootstrap = ''
let nodeId = ''

beforeAll(async () => {
  await fetchKafkaTools()
  const config = { 'message.max.bytes': '2000000', 'ssl.key.password': 'hush' }
  cluster = await Cluster.start(2, { env: { STREAMCLUSTER_CONFIG: JSON.stringify(config) } })
  bootstrap = cluster.bootstrap.join(',')
  nodeId = String(cluster.running[0]?.nodeId)
  await cluster.createTopic('topic', 1)
}, FETCH_MS_MAX)
afterAll(() => cluster.close())

const TOPIC = ['--entity-type', 'topics', '--entity-name', 'topic']
const DEFAULTS = ['--entity-type', 'brokers', '--entity-default']
const GROUP = ['--entity-type', 'groups', '--entity-name', 'group']
const METRICS = ['--entity-type', 'client-metrics', '--entity-name', 'metrics']
const broker = () => ['--entity-type', 'brokers', '--entity-name', nodeId]
const logger = () => ['--entity-type', 'broker-loggers', '--entity-name', nodeId]

/** Kafka's own tool for configs; resolves with what it prints. */
function configTool(...args: string[]): Promise<string> {
  return kafkaTool('kafka.admin.ConfigCommand', ['--bootstrap-server', bootstrap, ...args])
}

const add = (entity: string[], configs: string) =>
  configTool('--alter', ...entity, '--add-config', configs)
const remove = (entity: string[], names: string) =>
  configTool('--alter', ...entity, '--delete-config', names)

/** What the tool tells of an entity: per config its value and its sources, the strongest first. */
async function described(entity: string[], ...more: string[]): Promise<Record<string, string>> {
  const lines = (await configTool('--describe', ...entity, ...more)).split('\n')
  const found: Record<string, string> = {}
  for (const line of lines) {
    const match = /^ {2}(\S+?)=(.*) sensitive=(\S+) synonyms=\{(.*)\}$/.exec(line)
    if (match === null) continue
    const [, name = '', value = '', sensitive = '', synonyms = ''] = match
    const sources = [...synonyms.matchAll(/([A-Z_]+):[^=]+=/g)].map(([, source]) => source)
    found[name] = [value, ...(sensitive === 'true' ? ['sensitive'] : []), ...sources].join(' ')
  }
  return found
}

test(
  'topics: what is set, lists, all that there is, and back to the defaults',
  async () => {
    await add(TOPIC, 'retention.ms=60000,cleanup.policy=[compact,delete]')
    expect(await described(TOPIC)).toEqual({
      'retention.ms': '60000 DYNAMIC_TOPIC_CONFIG',
      'cleanup.policy': 'compact,delete DYNAMIC_TOPIC_CONFIG DEFAULT_CONFIG',
    })
    const all = await described(TOPIC, '--all')
    expect(Object.keys(all).length).toBeGreaterThan(25)
    expect(all['max.message.bytes']).toBe('2000000 STATIC_BROKER_CONFIG DEFAULT_CONFIG')
    await remove(TOPIC, 'retention.ms,cleanup.policy')
    expect(await described(TOPIC)).toEqual({})
    await expect(add(TOPIC, 'retention.ms=soon')).rejects.toThrow(/retention\.ms/)
  },
  TEST_MS_MAX,
)

test(
  'brokers: of one over those of all over those of its start; no secrets; what cannot be changed',
  async () => {
    await add(DEFAULTS, 'message.max.bytes=3000000,log.cleanup.policy=[compact,delete]')
    await add(broker(), 'message.max.bytes=4000000')
    await until('the broker has heard of its defaults', async () => {
      const { 'log.cleanup.policy': policy } = await described(broker(), '--all')
      return policy?.startsWith('compact,delete DYNAMIC_DEFAULT_BROKER_CONFIG')
    })
    // Without --all the tool tells only of what is set of the broker alone.
    expect(await described(broker())).toEqual({
      'message.max.bytes':
        '4000000 DYNAMIC_BROKER_CONFIG DYNAMIC_DEFAULT_BROKER_CONFIG STATIC_BROKER_CONFIG ' +
        'DEFAULT_CONFIG',
    })
    expect(await described(DEFAULTS)).toEqual({
      'message.max.bytes': '3000000 DYNAMIC_DEFAULT_BROKER_CONFIG',
      'log.cleanup.policy': 'compact,delete DYNAMIC_DEFAULT_BROKER_CONFIG',
    })
    const all = await described(broker(), '--all')
    expect(Object.keys(all).length).toBeGreaterThan(300)
    expect(all['ssl.key.password']).toBe('null sensitive STATIC_BROKER_CONFIG')
    expect(all['node.id']).toBe(`${nodeId} STATIC_BROKER_CONFIG`)
    await expect(add(broker(), 'num.partitions=5')).rejects.toThrow(/num\.partitions/)
    await remove(broker(), 'message.max.bytes')
    await remove(DEFAULTS, 'message.max.bytes,log.cleanup.policy')
    expect(await described(broker())).toEqual({})
    expect(await described(DEFAULTS)).toEqual({})
  },
  TEST_MS_MAX,
)

test(
  "groups, subscriptions to clients' metrics, and the level of the log",
  async () => {
    await add(GROUP, 'consumer.session.timeout.ms=50000')
    expect(await described(GROUP)).toMatchObject({
      'consumer.session.timeout.ms': expect.stringMatching(/^50000 /),
    })
    expect(Object.keys(await described(GROUP, '--all')).length).toBe(17)
    await expect(add(GROUP, 'consumer.session.timeout.ms=1')).rejects.toThrow(/at least/)
    await remove(GROUP, 'consumer.session.timeout.ms')
    expect(await described(GROUP)).toEqual({})

    await add(METRICS, 'metrics=[a.b,c],interval.ms=1000')
    expect(await described(METRICS)).toMatchObject({
      metrics: expect.stringMatching(/^a\.b,c /),
      'interval.ms': expect.stringMatching(/^1000 /),
    })
    await remove(METRICS, 'metrics,interval.ms')

    await add(logger(), 'root=DEBUG')
    expect(await described(logger())).toMatchObject({ root: expect.stringMatching(/^DEBUG/) })
    await add(logger(), 'root=INFO')
  },
  TEST_MS_MAX,
)

/** Whether a new connection stays: one too many is closed at once, without a word. */
function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(false))
    socket.on('data', () => {
      resolve(true)
      socket.destroy()
    })
    // A request that is answered: ApiVersions v0, correlation id 7, a client without a name.
    const request = Buffer.from('0000000a0012000000000007ffff', 'hex')
    socket.on('connect', () => socket.write(request))
  })
}

test(
  'brokers obey at once: of their connections no more are taken than are allowed from now on',
  async () => {
    const { ports } = cluster.node(Number(nodeId))
    expect(await isTaken(ports.kafka)).toBe(true)
    await add(broker(), 'max.connections=0')
    expect(await isTaken(ports.kafka)).toBe(false)
    // The other one takes connections still, and also after a default for all is set.
    const other = cluster.anyBut(cluster.node(Number(nodeId)))
    bootstrap = other.bootstrap
    await add(DEFAULTS, 'max.connections=50')
    expect(await isTaken(ports.kafka)).toBe(false)
    nodeId = String(other.nodeId)
    await until('the other broker has heard of it', async () => {
      const { 'max.connections': told } = await described(broker(), '--all')
      return told?.startsWith('50 DYNAMIC_DEFAULT_BROKER_CONFIG')
    })
  },
  TEST_MS_MAX,
)
