import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import kafkajs, { type Admin, type Consumer } from 'kafkajs'
import {
  check,
  fail,
  finishing,
  type OutgoingRecord,
  play,
  report,
  sendAsAsked,
  settings,
  takeSteps,
  topic,
  versionOfPackage,
} from './node-session.ts'

// Not all of them are found as named exports.
const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } = kafkajs

/** A session of kafkajs. */
const kafka = new Kafka({
  brokers: settings.bootstrap.split(','),
  // Its log goes to standard output by default, which is taken.
  logLevel: logLevel.INFO,
  logCreator: () => (entry) => {
    process.stderr.write(`${entry.label} ${entry.namespace} ${JSON.stringify(entry.log)}\n`)
  },
  ...(settings.caFile === undefined ? {} : { ssl: { ca: [readFileSync(settings.caFile)] } }),
})

async function produce(): Promise<void> {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    ...(settings.idempotent ? { idempotent: true, maxInFlightRequests: 1 } : {}),
  })
  await producer.connect()
  const compression = settings.codec === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None
  const send = async (messages: OutgoingRecord[]): Promise<void> => {
    const answers = await producer.send({ topic, messages, compression })
    check(
      answers.every(({ errorCode }) => errorCode === 0),
      JSON.stringify(answers),
    )
  }
  await sendAsAsked((records) => send([...records]))
  await producer.disconnect()
}

/** Tells of assignments, records, and of what an application would take for the end. */
async function read(
  consumer: Consumer,
  onRecord: (partition: number, offset: bigint) => void = () => {},
): Promise<void> {
  let assigned: readonly number[] = []
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    report({ event: 'revoked', partitions: assigned })
    assigned = payload.memberAssignment[topic] ?? []
    report({ event: 'assigned', partitions: assigned })
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    // With `restart` it begins anew by itself, and says so in its log only.
    if (!payload.restart) fail('consumer', payload.error)
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const value = message.value?.toString() ?? ''
      report({ event: 'record', partition, offset: Number(message.offset), value })
      onRecord(partition, BigInt(message.offset))
    },
  })
}

async function consume(): Promise<void> {
  const consumer = kafka.consumer({ groupId: settings.groupId ?? '' })
  await read(consumer)
  report({ event: 'ready' })
  await finishing
  await consumer.disconnect()
}

/** A new one asks for the owners of partitions first. */
async function offsetsByTime(): Promise<{ partition: number; offset: string }[]> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await admin.fetchTopicOffsetsByTimestamp(topic, settings.timeMs)
  } catch (error) {
    if (!settings.isPatient || !(error as { retriable?: boolean }).retriable) throw error
  } finally {
    await admin.disconnect()
  }
  await pause(200)
  return offsetsByTime()
}

/**
 * Whenever it has joined it seeks again, to where it is: when a partition moves kafkajs joins its group
 * anew, and goes on where the group committed last, which here is nowhere.
 */
async function seek(): Promise<void> {
  const found = await offsetsByTime()
  const positions = new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]))
  const consumer = kafka.consumer({ groupId: settings.groupId ?? '' })
  consumer.on(consumer.events.GROUP_JOIN, () => {
    for (const [partition, offset] of positions) {
      consumer.seek({ topic, partition, offset: String(offset) })
    }
  })
  let left = settings.count ?? 0
  await new Promise<void>((resolve, reject) => {
    const onRecord = (partition: number, offset: bigint): void => {
      positions.set(partition, offset + 1n)
      if (--left === 0) resolve()
    }
    read(consumer, onRecord).then(() => report({ event: 'ready' }), reject)
  })
  await consumer.disconnect()
}

type Step = [string, () => Promise<unknown>]

/** Five records, so that there is something to delete. Where the first partition ends then. */
async function written(): Promise<bigint> {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  let end = 0n
  for (let index = 0; index < 5; index++) {
    const messages = [{ partition: 0, value: 'value' }]
    const [answer] = await producer.send({ topic, messages })
    end = BigInt(answer?.baseOffset ?? 0) + 1n
  }
  await producer.disconnect()
  return end
}

function topicSteps(admin: Admin): Step[] {
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  const partitionCount = async (): Promise<number> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0]?.partitions.length ?? 0
  }
  const configEntries = [{ name: 'retention.ms', value: '7654321' }]
  return [
    ['describe cluster', async () => check((await admin.describeCluster()).brokers.length > 0, '')],
    ['create topic', () => admin.createTopics({ topics: [{ topic, numPartitions: 3 }] })],
    ['list topics', async () => check((await admin.listTopics()).includes(topic), 'missing')],
    ['describe topic', async () => check((await partitionCount()) === 3, 'partitions missing')],
    [
      'alter configs',
      () =>
        admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] }),
    ],
    [
      'describe configs',
      async () => {
        const answer = await admin.describeConfigs({
          resources: [resource],
          includeSynonyms: false,
        })
        const entries = answer.resources[0]?.configEntries ?? []
        const entry = entries.find(({ configName }) => configName === 'retention.ms')
        check(entry?.configValue === '7654321', `retention.ms is ${entry?.configValue}`)
      },
    ],
    ['create partitions', () => admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })],
    ['see new partitions', async () => check((await partitionCount()) === 4, 'not 4 partitions')],
    [
      'list offsets',
      async () => {
        const end = await written()
        const found = await admin.fetchTopicOffsets(topic)
        check(found.length === 4, 'not 4 offsets')
        const high = found.find(({ partition }) => partition === 0)?.high
        check(high === String(end), `the end is ${high}, not ${end}`)
      },
    ],
    [
      'delete records',
      async () => {
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
        const found = await admin.fetchTopicOffsets(topic)
        const low = found.find(({ partition }) => partition === 0)?.low
        check(low === '3', `the beginning is ${low}`)
      },
    ],
  ]
}

function groupSteps(admin: Admin): Step[] {
  const groupId = settings.groupId ?? ''
  return [
    [
      'alter group offsets',
      () => admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: '3' }] }),
    ],
    [
      'list group offsets',
      async () => {
        const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
        const offset = found?.partitions.find(({ partition }) => partition === 1)?.offset
        check(offset === '3', `the offset is ${offset}`)
      },
    ],
    [
      'list groups',
      async () => {
        const { groups } = await admin.listGroups()
        check(
          groups.some((each) => each.groupId === groupId),
          'the group is missing',
        )
      },
    ],
    ['describe group', () => admin.describeGroups([groupId])],
    [
      'reassign a partition',
      async () => {
        const { brokers } = await admin.describeCluster()
        const partitionAssignment = [{ partition: 0, replicas: [brokers[0]?.nodeId ?? -1] }]
        await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] })
      },
    ],
    [
      'list reassignments',
      async () => {
        // Others may be under way.
        check(Array.isArray((await admin.listPartitionReassignments({})).topics), 'no list')
      },
    ],
    ['delete group', () => admin.deleteGroups([groupId])],
    ['delete topic', () => admin.deleteTopics({ topics: [topic] })],
    ['see it gone', async () => check(!(await admin.listTopics()).includes(topic), 'still there')],
  ]
}

async function administer(): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  await takeSteps([...topicSteps(admin), ...groupSteps(admin)])
  await admin.disconnect()
}

async function version(): Promise<void> {
  report({ event: 'version', version: versionOfPackage('kafkajs') })
}

await play({ version, produce, consume, seek, admin: administer })
