import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import { errorCode, errorName } from '../protocol/error-codes.ts'
import type { CreateTopicsRequest } from '../protocol/messages/create-topics.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'
import { ZERO_UUID } from './context.ts'

let cluster: TestCluster
let client: TestBroker

beforeAll(async () => {
  cluster = await TestCluster.start(3, { 'num.partitions': '3', 'log.retention.hours': '2' })
  client = cluster.brokers[0] as TestBroker
})
afterAll(() => cluster.stop())

type Wanted = CreateTopicsRequest['topics'][number]

function wanted(name: string, more: Partial<Wanted> = {}): Wanted {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [], ...more }
}

async function create(topics: readonly Wanted[], validateOnly = false, version = 7) {
  const response = await client.call(apis.createTopics, version, {
    topics,
    timeoutMs: 1000,
    validateOnly,
  })
  return response.topics
}

/** The names of the errors that creating these topics gives. */
async function errorsOf(topics: readonly Wanted[], validateOnly = false): Promise<string[]> {
  return (await create(topics, validateOnly)).map(({ errorCode: code }) => errorName(code))
}

function ownersOf(name: string): number[] | undefined {
  const { image } = client.broker.node
  const topic = image.topics.get(image.topicIds.get(name) ?? '')
  return topic?.partitions.map(({ nodeId }) => nodeId)
}

const assigned = (...brokerIds: number[][]) => ({
  assignments: brokerIds.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: ids })),
})

describe('creating topics', () => {
  test('-1 means what the broker has for it, and any replication factor is taken', async () => {
    const [first, second] = await create([
      wanted('defaults'),
      wanted('asked', { numPartitions: 5, replicationFactor: 7 }),
    ])
    expect(first).toMatchObject({ errorCode: 0, numPartitions: 3, replicationFactor: 1 })
    expect(second).toMatchObject({ errorCode: 0, numPartitions: 5, replicationFactor: 1 })
    expect(first?.topicId).toBe(client.broker.node.image.topicIds.get('defaults'))
    expect(new Set(ownersOf('asked')).size).toBe(3)
  })

  test('Metadata shows the owner alone as replica and in sync, whatever was asked for', async () => {
    const [one, two] = cluster.brokers.map(({ nodeId }) => nodeId) as [number, number]
    const configs = [{ name: 'min.insync.replicas', value: '2' }]
    await create([
      wanted('replicated', { numPartitions: 2, replicationFactor: 3, configs }),
      wanted('placed', { ...assigned([two, one]), configs }),
    ])
    const { topics } = await client.call(apis.metadata, 12, {
      topics: ['replicated', 'placed'].map((name) => ({ name, topicId: ZERO_UUID })),
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
    for (const { name, partitions } of topics) {
      const owners = ownersOf(name ?? '') ?? []
      expect(partitions).toHaveLength(owners.length)
      for (const { partitionIndex, ...told } of partitions) {
        const owner = owners[partitionIndex] as number
        const alone = { leaderId: owner, replicaNodes: [owner], isrNodes: [owner] }
        expect(told).toMatchObject({ errorCode: 0, ...alone, offlineReplicas: [] })
      }
    }
  })

  test('topics of one request go into one batch of the metadata log', async () => {
    const before = client.broker.node.log.seq
    expect(await errorsOf([wanted('batch-1'), wanted('batch-2')])).toEqual(['NONE', 'NONE'])
    expect(client.broker.node.log.seq).toBe(before + 1)
  })

  test('the answer tells all configs, with their sources', async () => {
    const configs = [{ name: 'cleanup.policy', value: 'compact' }]
    const [topic] = await create([wanted('configured', { configs })])
    const told = new Map(topic?.configs?.map((config) => [config.name, config]))
    expect(told.get('cleanup.policy')).toMatchObject({ value: 'compact', configSource: 1 })
    expect(told.get('retention.ms')).toMatchObject({ value: '7200000', configSource: 4 })
    expect(told.get('segment.bytes')).toMatchObject({ value: '1073741824', configSource: 5 })
    expect(client.broker.node.image.topics.get(topic?.topicId ?? '')?.configs).toEqual({
      'cleanup.policy': 'compact',
    })
  })

  test('of an assignment the first broker that is there becomes the owner', async () => {
    const [one, two, three] = cluster.brokers.map(({ nodeId }) => nodeId) as [
      number,
      number,
      number,
    ]
    const [topic] = await create([
      wanted('assigned', assigned([three, one], [99, two], [98, 99], [one])),
    ])
    expect(topic).toMatchObject({ errorCode: 0, numPartitions: 4 })
    const owners = ownersOf('assigned') ?? []
    expect([owners[0], owners[1], owners[3]]).toEqual([three, two, one])
    expect([one, two, three]).toContain(owners[2])
  })

  test('an assignment must make sense', async () => {
    const errors = await errorsOf([
      wanted('no-brokers', assigned([])),
      wanted('broker-twice', assigned([1, 1])),
      wanted('gap', { assignments: [{ partitionIndex: 1, brokerIds: [1] }] }),
      wanted('index-twice', {
        assignments: [
          { partitionIndex: 0, brokerIds: [1] },
          { partitionIndex: 0, brokerIds: [2] },
        ],
      }),
      wanted('with-count', { ...assigned([1]), numPartitions: 1 }),
      wanted('with-factor', { ...assigned([1]), replicationFactor: 1 }),
    ])
    expect(errors).toEqual([
      ...Array(4).fill('INVALID_REPLICA_ASSIGNMENT'),
      'INVALID_REQUEST',
      'INVALID_REQUEST',
    ])
  })

  test('names, counts and configs that Kafka refuses are refused, each on its own', async () => {
    const config = (name: string, value: string | null) => ({ configs: [{ name, value }] })
    const errors = await errorsOf([
      wanted(''),
      wanted('with space'),
      wanted('x'.repeat(250)),
      wanted('__cluster_metadata'),
      wanted('no-partitions', { numPartitions: 0 }),
      wanted('no-copies', { replicationFactor: 0 }),
      wanted('bad-value', config('retention.ms', 'x')),
      wanted('bad-config', config('no.such', '1')),
      wanted('null-value', config('retention.ms', null)),
      wanted('among-them'),
    ])
    expect(errors).toEqual([
      'INVALID_TOPIC_EXCEPTION',
      'INVALID_TOPIC_EXCEPTION',
      'INVALID_TOPIC_EXCEPTION',
      'INVALID_REQUEST',
      'INVALID_PARTITIONS',
      'INVALID_REPLICATION_FACTOR',
      'INVALID_CONFIG',
      'INVALID_CONFIG',
      'INVALID_CONFIG',
      'NONE',
    ])
  })

  test('a name is taken once, and so is one that differs in a dot only', async () => {
    expect(await errorsOf([wanted('a.b_c'), wanted('taken')])).toEqual(['NONE', 'NONE'])
    const errors = await errorsOf([wanted('taken'), wanted('a_b.c'), wanted('a-b_c')])
    expect(errors).toEqual(['TOPIC_ALREADY_EXISTS', 'INVALID_TOPIC_EXCEPTION', 'NONE'])
    expect(await errorsOf([wanted('in.one'), wanted('in_one')])).toEqual([
      'NONE',
      'INVALID_TOPIC_EXCEPTION',
    ])
    const dotted = 'a.'.repeat(20)
    expect(await errorsOf([wanted(dotted)])).toEqual(['NONE'])
    expect(await errorsOf([wanted('a_'.repeat(20))])).toEqual(['INVALID_TOPIC_EXCEPTION'])
  })

  test('what is asked for twice is answered once, and not created', async () => {
    const [topic, ...others] = await create([wanted('twin'), wanted('twin')])
    expect(others).toEqual([])
    expect(topic?.errorCode).toBe(errorCode.INVALID_REQUEST)
    expect(ownersOf('twin')).toBe(undefined)
  })

  test('more partitions than a request may have are refused', async () => {
    const many = wanted('many', { numPartitions: 10_000 })
    expect(await errorsOf([many, wanted('one-more')])).toEqual([
      'POLICY_VIOLATION',
      'POLICY_VIOLATION',
    ])
  })

  test('validating finds what creating would, and creates nothing', async () => {
    await createTopic(client, 'there')
    const before = client.broker.node.log.seq
    const errors = await errorsOf([wanted('there'), wanted('not-there'), wanted('b d')], true)
    expect(errors).toEqual(['TOPIC_ALREADY_EXISTS', 'NONE', 'INVALID_TOPIC_EXCEPTION'])
    expect(ownersOf('not-there')).toBe(undefined)
    expect(client.broker.node.log.seq).toBe(before)
  })

  test('every version is answered', async () => {
    for (let version = 2; version <= 7; version++) {
      const factor = { numPartitions: 1, replicationFactor: 1 }
      const [topic] = await create([wanted(`v${version}`, factor)], false, version)
      expect(topic).toMatchObject({ name: `v${version}`, errorCode: 0 })
    }
  })
})

interface Named {
  readonly name: string | null
  readonly topicId: string
}

async function remove(topics: readonly Named[], broker = client) {
  const { responses } = await broker.call(apis.deleteTopics, 6, { topics, timeoutMs: 1000 })
  return responses.map(({ name, topicId, errorCode: code }) => [name, topicId, errorName(code)])
}

const byName = (name: string): Named => ({ name, topicId: ZERO_UUID })
const byId = (topicId: string): Named => ({ name: null, topicId })
const idOf = (name: string) => client.broker.node.image.topicIds.get(name) ?? ''

describe('deleting topics', () => {
  test('by name and by id, and the answer has both', async () => {
    await createTopic(client, 'gone-1')
    await createTopic(client, 'gone-2')
    const [first, second] = [idOf('gone-1'), idOf('gone-2')]
    expect(await remove([byName('gone-1'), byId(second)])).toEqual([
      ['gone-1', first, 'NONE'],
      ['gone-2', second, 'NONE'],
    ])
    expect(client.broker.node.image.topics.has(first)).toBe(false)
    expect(client.broker.node.image.topics.has(second)).toBe(false)
  })

  test('what is not there, not named, or named in two ways is refused', async () => {
    await createTopic(client, 'kept')
    const topicId = idOf('kept')
    const unknown = 'AAAAAAAAAAAAAAAAAAAAAQ'
    expect(
      await remove([
        byName('nowhere'),
        byId(unknown),
        { name: null, topicId: ZERO_UUID },
        { name: 'kept', topicId },
      ]),
    ).toEqual([
      ['nowhere', ZERO_UUID, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [null, unknown, 'UNKNOWN_TOPIC_ID'],
      [null, ZERO_UUID, 'INVALID_REQUEST'],
      ['kept', topicId, 'INVALID_REQUEST'],
    ])
    expect(idOf('kept')).toBe(topicId)
  })

  test('a topic that is named twice stays', async () => {
    await createTopic(client, 'doubled')
    const topicId = idOf('doubled')
    const twice = await remove([byName('doubled'), byName('doubled')])
    expect(twice).toEqual([['doubled', ZERO_UUID, 'INVALID_REQUEST']])
    const inBothWays = await remove([byName('doubled'), byId(topicId)])
    expect(inBothWays.map(([, , error]) => error)).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
    expect(idOf('doubled')).toBe(topicId)
  })

  test('older versions name topics only', async () => {
    for (let version = 1; version <= 5; version++) {
      await createTopic(client, 'older')
      const { responses } = await client.call(apis.deleteTopics, version, {
        topicNames: ['older', 'nowhere'],
        timeoutMs: 1000,
      })
      expect(responses.map(({ name, errorCode: code }) => [name, errorName(code)])).toEqual([
        ['older', 'NONE'],
        ['nowhere', 'UNKNOWN_TOPIC_OR_PARTITION'],
      ])
    }
  })

  test('a broker may be told to delete nothing', async () => {
    const strict = await cluster.addBroker({ 'delete.topic.enable': 'false' })
    await createTopic(strict, 'protected')
    expect(await remove([byName('protected')], strict)).toEqual([
      ['protected', ZERO_UUID, 'TOPIC_DELETION_DISABLED'],
    ])
    const old = { topicNames: ['protected'], timeoutMs: 1000 }
    const { responses } = await strict.call(apis.deleteTopics, 2, old)
    expect(responses[0]?.errorCode).toBe(errorCode.INVALID_REQUEST)
  })
})
