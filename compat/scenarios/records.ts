import { apis } from '../../broker/protocol/api-keys.ts'
import { produceBody } from '../../e2e/lib/api-bodies.ts'
import { fetchBatches } from '../../e2e/lib/fetch.ts'
import { batchOf } from '../../e2e/lib/produce.ts'
import { pause } from '../../e2e/lib/wait.ts'
import { ask } from '../../e2e/lib/wire-client.ts'
import { type Cell, PARTITIONS, untilAllRead } from '../lib/cell.ts'
import type { Session } from '../lib/session.ts'
import type { Codec, SessionSettings } from '../lib/session-protocol.ts'
import type { Scenario } from './scenario.ts'

const RECORDS = 300

/** Writes, reads with a group of one, and holds both against what is there. */
async function writeAndRead(cell: Cell, settings: Partial<SessionSettings>): Promise<undefined> {
  await cell.createTopic()
  const producer = await cell.producer(settings)
  producer.send(RECORDS)
  await producer.finish()
  if (producer.acked.length !== RECORDS) throw new Error(`${producer.acked.length} acknowledged`)
  const consumer = await cell.consumer()
  await untilAllRead([producer], [consumer])
  await consumer.finish()
  await cell.checkAll([producer], [consumer])
}

/** The codec of each batch of the topic (bits 0-2 of its attributes). */
async function codecsOf(cell: Cell): Promise<Set<number>> {
  const codecs = new Set<number>()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const leader = await cell.leaderOf(partition)
    for (const batch of await fetchBatches(leader.ports.kafka, cell.topic, partition)) {
      codecs.add(batch.readInt16BE(21) & 7)
    }
  }
  return codecs
}

const CODEC_IDS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

async function runCodec(cell: Cell, codec: Codec): Promise<void> {
  // Long and alike: clients send what does not shrink as it is.
  await writeAndRead(cell, { codec, name: `${codec}-${'x'.repeat(200)}` })
  const used = [...(await codecsOf(cell))].map((id) => CODEC_IDS[id])
  if (used.join() !== codec) throw new Error(`asked for ${codec}, batches have ${used.join()}`)
}

async function runCodecs(cell: Cell): Promise<string> {
  for (const codec of cell.client.codecs) {
    const part = cell.part(codec)
    try {
      await runCodec(part, codec)
    } catch (error) {
      throw new Error(`${codec}: ${(error as Error).message}`)
    } finally {
      await part.close()
    }
  }
  return cell.client.codecs.join(', ')
}

/** Distances of the records' time stamps from a time of some minutes ago. */
const TIMES_MS = [0, 10_000, 20_000, 30_000]
const AGE_MS = 600_000

/** One record per time stamp in partition 0, and one in partition 1. Returns the first time. */
export async function prepareSeek(cell: Cell): Promise<number> {
  await cell.createTopic(2)
  const firstMs = Date.now() - AGE_MS
  const write = async (partition: number, timeMs: number): Promise<void> => {
    const leader = await cell.leaderOf(partition)
    const batch = batchOf(`at-${timeMs - firstMs}`, timeMs)
    const body = produceBody(cell.topic, new Map([[partition, batch]]))
    const { responses } = await ask(leader.ports.kafka, apis.produce, 12, body)
    if (responses[0]?.partitionResponses[0]?.errorCode !== 0) throw new Error('not written')
  }
  for (const timeMs of TIMES_MS) await write(0, firstMs + timeMs)
  await write(1, firstMs + 5_000)
  return firstMs
}

/** Seeks between two records: partition 0 is read from the third on, partition 1 not at all. */
export async function seekByTime(cell: Cell, firstMs: number): Promise<undefined> {
  const session = await cell.seeker({ timeMs: firstMs + 15_000, count: 2 })
  await session.end()
  const values = session.records.map(({ value }) => value).sort()
  if (values.join() !== 'at-20000,at-30000') throw new Error(`read ${values.join()}`)
}

const EXPIRATION_MS = 3_000

/** An idempotent producer that pauses for longer than its state is kept goes on. */
async function runExpiry(cell: Cell): Promise<undefined> {
  await cell.createTopic()
  const producer = await cell.producer({ idempotent: true })
  const consumer = await cell.consumer()
  for (let round = 0; round < 2; round++) {
    producer.send(RECORDS)
    await untilSent(producer, (round + 1) * RECORDS)
    if (round === 0) await pause(3 * EXPIRATION_MS)
  }
  await producer.finish()
  await untilAllRead([producer], [consumer])
  await consumer.finish()
  await cell.checkAll([producer], [consumer])
}

async function untilSent(producer: Session, count: number): Promise<void> {
  await producer.until(`${count} are acknowledged`, () => producer.acked.length >= count, 120_000)
}

export const recordScenarios: readonly Scenario[] = [
  {
    name: 'records',
    title: 'Produce and consume, with the client’s defaults',
    brokers: 2,
    run: (cell) => writeAndRead(cell, {}),
  },
  {
    name: 'codecs',
    title: 'Every codec the client ships, kept as it was sent',
    brokers: 2,
    run: runCodecs,
  },
  {
    name: 'idempotence',
    title: 'Idempotent producer',
    brokers: 2,
    run: (cell) => writeAndRead(cell, { idempotent: true }),
  },
  {
    name: 'expiry',
    title: 'Idempotent producer that pauses for longer than `producer.id.expiration.ms`',
    brokers: 2,
    config: {
      'producer.id.expiration.ms': String(EXPIRATION_MS),
      'producer.id.expiration.check.interval.ms': '500',
    },
    run: runExpiry,
  },
  {
    name: 'tls',
    title: 'Produce and consume over TLS, the brokers’ certificates and names verified',
    brokers: 2,
    tls: 'all',
    run: (cell) => writeAndRead(cell, { idempotent: true }),
  },
  {
    name: 'seek',
    title: 'Seek by time',
    brokers: 2,
    run: async (cell) => seekByTime(cell, await prepareSeek(cell)),
  },
]
