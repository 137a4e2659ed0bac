import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import { type Issued, TestAuthority } from '../broker/server/testing/certificates.ts'
import { Cluster } from './lib/cluster.ts'
import { FETCH_MS_MAX, fetchKafkaTools, kafkaTool } from './lib/kafka-tools.ts'
import { kcat } from './lib/kcat.ts'
import { freePort } from './lib/ports.ts'
import { allowOneRetry } from './lib/retries.ts'
import { until } from './lib/wait.ts'

allowOneRetry()

const BROKERS = 2

let authority: TestAuthority
let successor: TestAuthority
let shopper: Issued
let cluster: Cluster
/** The addresses that each listener tells its clients. */
const told: Record<'internal' | 'external' | 'partners', string[]> = {
  internal: [],
  external: [],
  partners: [],
}

/** Plain for some, TLS for others, and TLS with clients' certificates for the rest. */
async function startBroker(): Promise<void> {
  const ports = { kafka: await freePort(), admin: await freePort() }
  const [external, partners] = [await freePort(), await freePort()]
  const { folder } = authority
  await cluster.startBroker(ports, {
    STREAMCLUSTER_LISTEN: '',
    STREAMCLUSTER_LISTENERS:
      `internal=127.0.0.1:${ports.kafka},external=127.0.0.1:${external},` +
      `partners=127.0.0.1:${partners}`,
    STREAMCLUSTER_ADVERTISED_LISTENERS: `external=localhost:${external}`,
    STREAMCLUSTER_TLS_CERTIFICATE: `external=${folder}/tls.crt,partners=${folder}/tls.crt`,
    STREAMCLUSTER_TLS_KEY: `external=${folder}/tls.key,partners=${folder}/tls.key`,
    STREAMCLUSTER_TLS_CLIENT_CA: `partners=${authority.caFile}`,
    STREAMCLUSTER_TLS_POLL_MS: '100',
  })
  told.internal.push(`127.0.0.1:${ports.kafka}`)
  told.external.push(`localhost:${external}`)
  told.partners.push(`127.0.0.1:${partners}`)
}

function use({ certificateFile, keyFile }: Issued): void {
  copyFileSync(certificateFile, join(authority.folder, 'tls.crt'))
  copyFileSync(keyFile, join(authority.folder, 'tls.key'))
}

beforeAll(async () => {
  await fetchKafkaTools()
  authority = new TestAuthority()
  successor = new TestAuthority('Successor')
  use(authority.issue('/CN=broker'))
  shopper = authority.issue('/O=Shop/CN=orders')
  cluster = new Cluster()
  for (let index = 0; index < BROKERS; index++) await startBroker()
  await cluster.createTopic('orders', 4)
}, FETCH_MS_MAX)
afterAll(async () => {
  await cluster.close()
  authority.close()
  successor.close()
})

const TRUSTING = [
  '-X',
  'security.protocol=ssl',
  '-X',
  'ssl.endpoint.identification.algorithm=https',
]

function kcatTrusting(caFile: string, by: Issued | null = null): string[] {
  const shown = by === null ? [] : ['-X', `ssl.certificate.location=${by.certificateFile}`]
  const key = by === null ? [] : ['-X', `ssl.key.location=${by.keyFile}`]
  return [...TRUSTING, '-X', `ssl.ca.location=${caFile}`, ...shown, ...key]
}

async function brokersToldTo(options: readonly string[]): Promise<string[]> {
  const { stdout } = await kcat(['-L', '-J', '-m', '10', ...options])
  const { brokers } = JSON.parse(stdout) as { brokers: { name: string }[] }
  return brokers.map(({ name }) => name).sort()
}

describe('several listeners', () => {
  test('tell of themselves, whichever broker is asked', async () => {
    const { internal, external, partners } = told
    const trusting = kcatTrusting(authority.caFile)
    for (let index = 0; index < BROKERS; index++) {
      const [plain = '', tls = '', mutual = ''] = [
        internal[index],
        external[index],
        partners[index],
      ]
      expect(await brokersToldTo(['-b', plain])).toEqual([...internal].sort())
      expect(await brokersToldTo(['-b', tls, ...trusting])).toEqual([...external].sort())
      const shown = kcatTrusting(authority.caFile, shopper)
      expect(await brokersToldTo(['-b', mutual, ...shown])).toEqual([...partners].sort())
    }
  })

  test('serve the same records', async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index}`)
    const trusting = kcatTrusting(authority.caFile)
    const external = ['-b', told.external.join(','), ...trusting]
    const written = await kcat(['-P', '-t', 'orders', ...external], `${lines.join('\n')}\n`)
    expect(written).toMatchObject({ code: 0 })
    for (const options of [external, ['-b', told.internal.join(',')]]) {
      const { stdout } = await kcat([
        '-C',
        '-q',
        '-e',
        '-t',
        'orders',
        '-o',
        'beginning',
        ...options,
      ])
      expect(stdout.trimEnd().split('\n').sort()).toEqual([...lines].sort())
    }
  })
})

describe('what speaks something else', () => {
  test.each(['external', 'partners'] as const)('plain text on a TLS listener: %s', async (name) => {
    const { code } = await kcat(['-L', '-m', '2', '-b', told[name][0] ?? ''])
    expect(code).not.toBe(0)
    const broker = cluster.started[0]
    await until('the broker says why', () =>
      broker?.log.find(
        ({ message, listener }) => message.includes('handshake failed') && listener === name,
      ),
    )
  })

  test('TLS on a plain listener', async () => {
    const options = kcatTrusting(authority.caFile)
    const { code } = await kcat(['-L', '-m', '2', '-b', told.internal[0] ?? '', ...options])
    expect(code).not.toBe(0)
    const broker = cluster.started[0]
    await until('the broker says why', () =>
      broker?.log.find(({ message }) => message.includes('speaks TLS where there is none')),
    )
  })

  test('clients without a certificate, where one is asked for', async () => {
    const strange = successor.issue('/CN=orders')
    for (const by of [null, strange]) {
      const options = kcatTrusting(authority.caFile, by)
      const { code } = await kcat(['-L', '-m', '2', '-b', told.partners[0] ?? '', ...options])
      expect(code).not.toBe(0)
    }
  })
})

describe("Kafka's own tools, with certificates", () => {
  test('create a topic, write, read as a group, and ask for offsets', async () => {
    const config = join(authority.folder, 'client.properties')
    writeFileSync(
      config,
      [
        'security.protocol=SSL',
        'ssl.truststore.type=PEM',
        `ssl.truststore.location=${authority.caFile}`,
        'ssl.keystore.type=PEM',
        `ssl.keystore.location=${shopper.bundleFile}`,
      ].join('\n'),
    )
    const bootstrap = ['--bootstrap-server', told.partners.join(',')]
    const common = [...bootstrap, '--command-config', config]
    await kafkaTool('TopicCommand', [...common, '--create', '--topic', 'java', '--partitions', '3'])
    const written = await kafkaTool('ProducerPerformance', [
      ...['--topic', 'java', '--num-records', '5000', '--record-size', '1000', '--throughput'],
      ...['-1', ...common, '--command-property', 'enable.idempotence=true'],
    ])
    expect(written).toContain('5000 records sent')
    const read = await kafkaTool('ConsumerPerformance', [
      ...[...common, '--topic', 'java', '--num-records', '5000', '--timeout', '30000'],
      ...['--group', 'java-readers', '--hide-header'],
    ])
    expect(read.trim().split(', ')[4]).toBe('5000')
    const offsets = await kafkaTool('GetOffsetShell', [...common, '--topic', 'java'])
    const ends = offsets
      .trim()
      .split('\n')
      .map((line) => Number(line.split(':')[2]))
    expect(ends.reduce((sum, end) => sum + end, 0)).toBe(5_000)
  })
})

describe('kafkajs', () => {
  test('writes and reads over TLS with a certificate, and not without', async () => {
    const ca = [readFileSync(authority.caFile)]
    const ssl = {
      ca,
      cert: readFileSync(shopper.certificateFile),
      key: readFileSync(shopper.keyFile),
    }
    const common: KafkaConfig = { brokers: told.partners, logLevel: logLevel.NOTHING }
    const stranger = new Kafka({ ...common, ssl: { ca }, retry: { retries: 0 } }).admin()
    await expect(stranger.connect().then(() => stranger.listTopics())).rejects.toThrow()
    await stranger.disconnect()

    const kafka = new Kafka({ ...common, ssl })
    await cluster.createTopic('kafkajs', 2)
    const producer = kafka.producer()
    await producer.connect()
    const values = Array.from({ length: 100 }, (_, index) => `value ${index}`)
    await producer.send({ topic: 'kafkajs', messages: values.map((value) => ({ value })) })
    await producer.disconnect()
    const consumer = kafka.consumer({ groupId: 'kafkajs-readers' })
    const read: string[] = []
    await consumer.connect()
    await consumer.subscribe({ topic: 'kafkajs', fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message }) => void read.push(String(message.value)),
    })
    await until('all is read', () => read.length >= values.length)
    await consumer.disconnect()
    expect(read.sort()).toEqual([...values].sort())
  })
})

describe('a certificate that is replaced', () => {
  test('is what new clients see, while a running one goes on', async () => {
    const replaced = successor.issue('/CN=broker again')
    use({ ...replaced, keyFile: shopper.keyFile })
    const broker = cluster.started[0]
    await until('a broken pair is told of', () => broker?.logged(TROUBLE))
    const external = ['-b', told.external.join(',')]
    const old = ['-L', '-m', '5', ...external, ...kcatTrusting(authority.caFile)]
    expect(await kcat(old)).toMatchObject({ code: 0 })
    use(replaced)
    for (const each of cluster.running) {
      await until('it is replaced on both listeners', () => {
        return (
          each.log.filter(({ message }) => message === 'a certificate was replaced').length === 2
        )
      })
    }
    const fresh = ['-L', '-m', '5', ...external, ...kcatTrusting(successor.caFile)]
    expect(await kcat(fresh)).toMatchObject({ code: 0 })
    expect((await kcat(old.with(2, '2'))).code).not.toBe(0)
  })
})

const TROUBLE = 'a changed certificate cannot be used: the old one stays'
