import { afterEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { sleep, systemClock } from '../../base/clock.ts'
import { type Random, seededRandom } from '../../base/random.ts'
import { allApis, type AnyApi } from '../protocol/api-keys.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { codecOf, encodeToBuffer } from '../protocol/codec.ts'
import { arbitraryMessage } from '../protocol/testing/arbitrary.ts'
import { Request } from '../request.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'
import { handlers } from './index.ts'

const RUNS_PER_VERSION = 4
const WAIT_MS_MAX = 20_000
const LONG = 'z'.repeat(32_767)
const clusters: TestCluster[] = []

afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.stop()
})

/** Turns what is arbitrary into something that often exists, so that requests get further. */
class Tamer {
  private readonly random: Random
  private readonly topicId: string

  constructor(random: Random, topicId: string) {
    this.random = random
    this.topicId = topicId
  }

  private pick<T>(...items: readonly T[]): T {
    return items[this.random.below(items.length)] as T
  }

  tame(value: unknown, name = ''): unknown {
    if (value instanceof Uint8Array) return name === 'records' ? this.records(value) : value
    if (Array.isArray(value)) return value.map((each) => this.tame(each, name))
    if (typeof value === 'object' && value !== null) {
      const tamed = Object.entries(value).map(([key, each]) => [key, this.tame(each, key)])
      return Object.fromEntries(tamed) as unknown
    }
    if (typeof value === 'string') return this.text(value, name)
    return typeof value === 'number' ? this.number(value, name) : value
  }

  private records(value: Uint8Array): Uint8Array {
    const producer = { producerId: 1, producerEpoch: 0, baseSequence: this.random.below(4) }
    const record = { key: null, value: Buffer.from('x'), timestamp: 1 }
    return this.pick(value, buildBatch([record]), buildBatch([record], producer))
  }

  private text(value: string, name: string): string {
    if (/topicId|directoryId/i.test(name)) return this.pick(value, this.topicId)
    if (/group/i.test(name)) return this.pick('g', 'g', value, LONG)
    if (/name|topic|key/i.test(name)) {
      return this.pick('t', 't', '__consumer_offsets', 'retention.ms', value, LONG)
    }
    return this.pick(value, LONG, '5', 'consumer')
  }

  private number(value: number, name: string): number {
    if (/partition|index|broker|replica|type|operation|acks|num/i.test(name)) {
      return this.pick(value, 0, 1, 2, -1)
    }
    if (/offset|timestamp|epoch/i.test(name)) return this.pick(value, 0, 1, -1, -2)
    if (/wait|timeout/i.test(name)) return this.pick(value, 0, 100)
    return value
  }
}

/** Sends a request on a connection of its own; it is answered, or its connection is closed. */
function send(client: TestBroker, api: AnyApi, version: number, body: unknown): Request {
  const encoded = encodeToBuffer(api.request, version, body as never)
  const frame = client.broker.pool.take(encoded.length)
  encoded.copy(frame.buffer)
  const channel = {
    listener: 'test',
    remoteAddress: 'test',
    isClosed: false,
    nowMs: () => systemClock.nowMs(),
    answered: () => request.sent(),
    close: () => {},
  }
  const decoded = codecOf(api.request, version).decode(frame.buffer)
  const header = { api, version, correlationId: 1, clientId: null }
  const request = new Request(channel, header, decoded, frame)
  handlers.get(api.key)?.(client.broker, request)
  return request
}

test('whatever is asked for in whatever version, each request is answered once and nothing is kept', async () => {
  const cluster = await TestCluster.start()
  clusters.push(cluster)
  const client = cluster.brokers[0] as TestBroker
  await createTopic(client, 't', [client.nodeId, client.nodeId])
  const { image } = client.broker.node
  const tamer = new Tamer(seededRandom(1), image.topicIds.get('t') ?? '')
  const sent: Request[] = []
  for (const api of allApis) {
    if (!handlers.has(api.key)) continue
    for (let version = api.request.versions[0]; version <= api.request.versions[1]; version++) {
      const options = { numRuns: RUNS_PER_VERSION, seed: api.key * 100 + version }
      for (const body of fc.sample(arbitraryMessage(api.request, version), options)) {
        sent.push(send(client, api, version, tamer.tame(body)))
        await sleep(systemClock, 0)
      }
    }
  }
  const unanswered = (): Request[] => sent.filter(({ pieces }) => pieces === null)
  // Whoever wants to wait for days is gone.
  for (const request of unanswered()) {
    Object.assign(request.connection, { isClosed: true })
    request.onConnectionClosed?.()
  }
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  while (unanswered().length > 0 && systemClock.nowMs() < endMs) await sleep(systemClock, 20)
  expect(unanswered().map(({ api, version }) => `${api.name} v${version}`)).toEqual([])
  expect(sent.length).toBeGreaterThan(300)
  expect([client.broker.node.hasEnded, client.broker.pool.bytesInUse]).toEqual([false, 0])
})
