import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import {
  Admin,
  ConfigResourceTypes,
  Consumer,
  IncrementalAlterConfigOperationTypes,
  ListOffsetTimestamps,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import {
  check,
  fail,
  finishing,
  play,
  report,
  sendAsAsked,
  settings,
  takeSteps,
  topic,
  versionOfPackage,
  wordsOf,
} from './node-session.ts'

/** A session of platformatic's client. */
const base = {
  clientId: 'compat',
  bootstrapBrokers: settings.bootstrap.split(','),
  ...(settings.caFile === undefined ? {} : { tls: { ca: readFileSync(settings.caFile) } }),
  ...(settings.isPatient
    ? { retries: true, retryDelay: 50, connectTimeout: 1_000, metadataMaxAge: 250 }
    : {}),
}

async function produce(): Promise<void> {
  const producer = new Producer({
    ...base,
    serializers: stringSerializers,
    ...(settings.idempotent ? { idempotent: true } : {}),
    ...(settings.codec === undefined ? {} : { compression: settings.codec }),
  })
  await sendAsAsked(async (records) => {
    await producer.send({ messages: records.map((record) => ({ topic, ...record })) })
  })
  await producer.close()
}

function tell(message: Message<string, string, string, string>): void {
  const { partition, offset, value } = message
  report({ event: 'record', partition, offset: Number(offset), value })
}

function newConsumer(): Consumer<string, string, string, string> {
  return new Consumer({
    ...base,
    groupId: settings.groupId ?? '',
    deserializers: stringDeserializers,
    ...(settings.instanceId === undefined ? {} : { groupInstanceId: settings.instanceId }),
    ...(settings.isCooperative ? { protocols: [{ name: 'cooperative-sticky', version: 1 }] } : {}),
  })
}

let assigned: readonly number[] = []

function tellAssignments(consumer: ReturnType<typeof newConsumer>): void {
  consumer.on('consumer:group:join', ({ assignments }) => {
    const before = assigned
    assigned = (assignments ?? []).flatMap((each) => (each.topic === topic ? each.partitions : []))
    // A cooperative member goes on with what it keeps; any other begins anew with all.
    const kept = settings.isCooperative ? before.filter((each) => assigned.includes(each)) : []
    report({ event: 'revoked', partitions: before.filter((each) => !kept.includes(each)) })
    report({ event: 'assigned', partitions: assigned.filter((each) => !kept.includes(each)) })
  })
}

/** Reads until the runner asks for the end, or until the stream ends with an error: returns that. */
async function readOnce(): Promise<Error | null> {
  const consumer = newConsumer()
  tellAssignments(consumer)
  try {
    // What its documentation shows: where the group stopped, and from the beginning the first time.
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'committed',
      fallbackMode: 'earliest',
    })
    stream.on('data', tell)
    const failed = new Promise<Error>((resolve) => stream.on('error', resolve))
    const error = await Promise.race([failed, finishing.then(() => null)])
    if (error === null) {
      await stream.close()
      if (settings.isRestarted) await leave(consumer)
      else await consumer.close()
    } else {
      await leave(consumer)
    }
    return error
  } catch (error) {
    await leave(consumer)
    return error as Error
  }
}

/** One that cannot leave its group, such as for want of a coordinator, is a member all the same. */
async function leave(consumer: ReturnType<typeof newConsumer>): Promise<void> {
  for (;;) {
    try {
      return await consumer.close(true)
    } catch (error) {
      process.stderr.write(`it cannot leave: ${wordsOf(error)}\n`)
      await pause(500)
    }
  }
}

async function consume(): Promise<void> {
  report({ event: 'ready' })
  for (let error = await readOnce(); error !== null; error = await readOnce()) {
    if (!settings.isRestarted) return fail('stream', error)
    process.stderr.write(`a new consumer is made: ${wordsOf(error)}\n`)
    report({ event: 'revoked', partitions: assigned })
    assigned = []
  }
}

async function seek(): Promise<void> {
  const consumer = newConsumer()
  const timestamp = BigInt(settings.timeMs ?? 0)
  const found = (await consumer.listOffsets({ topics: [topic], timestamp })).get(topic) ?? []
  const ends = (await consumer.listOffsets({ topics: [topic] })).get(topic) ?? []
  const offsets = found.map((offset, partition) => {
    // -1: nothing is that new.
    return { topic, partition, offset: offset < 0n ? (ends[partition] ?? 0n) : offset }
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets })
  report({ event: 'ready' })
  let left = settings.count ?? 0
  for await (const message of stream) {
    tell(message)
    if (--left === 0) break
  }
  await consumer.close(true)
}

/** Five records, so that there is something to delete. Where the first partition ends then. */
async function written(): Promise<bigint> {
  const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true })
  let end = 0n
  for (let index = 0; index < 5; index++) {
    const messages = [{ topic, partition: 0, key: 'key', value: 'value' }]
    const { offsets } = await producer.send({ messages })
    end = (offsets?.[0]?.offset ?? -1n) + 1n
  }
  await producer.close()
  return end
}

async function offsetAt(admin: Admin, timestamp: bigint): Promise<bigint | undefined> {
  const partitions = [{ partitionIndex: 0, timestamp }]
  const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] })
  return found?.partitions[0]?.offset
}

type Step = [string, () => Promise<unknown>]

function groupSteps(admin: Admin): Step[] {
  const groupId = settings.groupId ?? ''
  return [
    [
      'alter group offsets',
      () =>
        admin.alterConsumerGroupOffsets({
          groupId,
          topics: [
            {
              name: topic,
              // Without offsets and members a group is gone by itself: one is deleted, one stays.
              partitionOffsets: [1, 2].map((partition) => ({ partition, offset: 3n })),
            },
          ],
        }),
    ],
    [
      'list group offsets',
      async () => {
        const [group] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
        const offset = group?.topics[0]?.partitions[0]?.committedOffset
        check(offset === 3n, `the offset is ${offset}`)
      },
    ],
    ['list groups', async () => check((await admin.listGroups()).has(groupId), 'missing')],
    ['describe group', () => admin.describeGroups({ groups: [groupId] })],
    [
      'delete group offsets',
      () =>
        admin.deleteConsumerGroupOffsets({
          groupId,
          topics: [{ name: topic, partitionIndexes: [1] }],
        }),
    ],
    ['delete group', () => admin.deleteGroups({ groups: [groupId] })],
  ]
}

function adminSteps(admin: Admin): Step[] {
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
  const partitionCount = async (): Promise<number> => {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
    return topics.get(topic)?.partitionsCount ?? 0
  }
  const set = {
    name: 'retention.ms',
    configOperation: IncrementalAlterConfigOperationTypes.SET,
    value: '7654321',
  }
  return [
    ['describe cluster', async () => check((await admin.metadata({})).brokers.size > 0, 'nobody')],
    ['create topic', () => admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 })],
    ['list topics', async () => check((await admin.listTopics()).includes(topic), 'missing')],
    ['describe topic', async () => check((await partitionCount()) === 3, 'partitions missing')],
    [
      'alter configs',
      () => admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [set] }] }),
    ],
    [
      'describe configs',
      async () => {
        const [found] = await admin.describeConfigs({ resources: [resource] })
        const value = found?.configs.find(({ name }) => name === 'retention.ms')?.value
        check(value === '7654321', `retention.ms is ${value}`)
      },
    ],
    ['create partitions', () => admin.createPartitions({ topics: [{ name: topic, count: 4 }] })],
    ['see new partitions', async () => check((await partitionCount()) === 4, 'not 4 partitions')],
    [
      'list offsets',
      async () => {
        const wanted = await written()
        const end = await offsetAt(admin, ListOffsetTimestamps.LATEST)
        check(end === wanted, `the end is ${end}, not ${wanted}`)
      },
    ],
    [
      'delete records',
      async () => {
        const partitions = [{ partition: 0, offset: 3n }]
        await admin.deleteRecords({ topics: [{ name: topic, partitions }] })
        const beginning = await offsetAt(admin, ListOffsetTimestamps.EARLIEST)
        check(beginning === 3n, `the beginning is ${beginning}`)
      },
    ],
    [
      'describe log dirs',
      () => admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] }),
    ],
    ...groupSteps(admin),
    ['delete topic', () => admin.deleteTopics({ topics: [topic] })],
    ['see it gone', async () => check(!(await admin.listTopics()).includes(topic), 'still there')],
  ]
}

async function administer(): Promise<void> {
  const admin = new Admin(base)
  await takeSteps(adminSteps(admin))
  await admin.close()
}

async function version(): Promise<void> {
  report({ event: 'version', version: versionOfPackage('@platformatic/kafka') })
}

await play({ version, produce, consume, seek, admin: administer })
