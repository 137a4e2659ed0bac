import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect } from 'node:net'
import { BufferPool } from '../../base/buffer-pool.ts'
import { sleep, systemClock } from '../../base/clock.ts'
import { type VirtualClock, virtualClock } from '../../base/testing/virtual-clock.ts'
import { BrokerConfig } from '../config/broker-config.ts'
import { apis } from '../protocol/api-keys.ts'
import { joined } from '../protocol/codec.ts'
import { encodeRequestFrame } from '../protocol/request-header.ts'
import type { Request } from '../request.ts'
import { advertisedListeners, Listeners } from './listeners.ts'
import { Client, collecting, type Line, range, request, until } from './testing/test-server.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

interface Options {
  readonly config?: Readonly<Record<string, string>>
  readonly unsentBytesMax?: number
  readonly requestBytesMax?: number
}

/** Two listeners whose requests a test answers. */
class TestListeners {
  readonly pool = new BufferPool(0)
  readonly requests: Request[] = []
  readonly lines: Line[] = []
  readonly clock: VirtualClock = virtualClock()
  readonly listeners: Listeners
  onRequest: (request: Request) => void = () => {}
  ports: readonly number[] = []

  constructor({ config = {}, unsentBytesMax = 1e9, requestBytesMax = 1e9 }: Options) {
    const listen = { host: '127.0.0.1', port: 0 }
    this.listeners = new Listeners({
      listeners: ['one', 'two'].map((name) => ({ name, listen, advertised: null, tls: null })),
      config: new BrokerConfig(config),
      pool: this.pool,
      dispatcher: {
        serves: () => true,
        dispatch: (one) => {
          this.requests.push(one)
          this.onRequest(one)
        },
      },
      logger: collecting(this.lines),
      clock: this.clock,
      tlsPollMs: 1_000,
      unsentBytesMax,
      requestBytesMax,
    })
    closing.push(() => this.listeners.close())
  }

  async client(at = 0): Promise<Client> {
    const socket = connect({ host: '127.0.0.1', port: this.ports[at] ?? 0, noDelay: true })
    closing.push(() => socket.destroy())
    const client = new Client(socket)
    await once(socket, 'connect')
    return client
  }

  /** Answers with `bytes` after the correlation id, that are all the same memory. */
  answer(one: Request, bytes = 0): void {
    const head = Buffer.alloc(8)
    head.writeInt32BE(4 + bytes, 0)
    head.writeInt32BE(one.correlationId, 4)
    one.answer([head, Buffer.alloc(bytes)], 8 + bytes, [])
  }
}

async function setup(options: Options = {}): Promise<TestListeners> {
  const made = new TestListeners(options)
  made.ports = await made.listeners.listen()
  made.listeners.holdAll(false)
  return made
}

function framed(correlationId: number, api: 'produce' | 'fetch', bytes = 0): Buffer {
  const header = { correlationId, clientId: 'test' }
  if (api === 'fetch') {
    const body = { maxWaitMs: 0, minBytes: 0, maxBytes: 1, topics: [], forgottenTopicsData: [] }
    return joined(encodeRequestFrame(apis.fetch.request, 12, header, body))
  }
  return joined(
    encodeRequestFrame(apis.produce.request, 9, header, {
      transactionalId: null,
      acks: 1,
      timeoutMs: 1,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: Buffer.alloc(bytes) }] }],
    }),
  )
}

/** A fetch of so many bytes, and some more. */
function padded(correlationId: number, bytes: number): Buffer {
  const header = { correlationId, clientId: 'test' }
  const topics = range(Math.ceil(bytes / 10_000)).map(() => {
    return { topic: 'x'.repeat(Math.min(bytes, 10_000)), partitions: [] }
  })
  const body = { maxWaitMs: 0, minBytes: 0, maxBytes: 1, topics, forgottenTopicsData: [] }
  return joined(encodeRequestFrame(apis.fetch.request, 12, header, body))
}

describe('connections', () => {
  test('are counted over all listeners, in all and by address', async () => {
    for (const name of ['max.connections', 'max.connections.per.ip']) {
      const made = await setup({ config: { [name]: '2' } })
      const [first, second] = [await made.client(0), await made.client(1)]
      await until(() => made.listeners.connectionCount === 2, 'two connections')
      const third = await made.client(1)
      await until(() => third.isClosed, 'the end of the third')
      expect(made.lines).toMatchObject([{ level: 'warn', peer: '127.0.0.1', listener: 'two' }])
      first.socket.destroy()
      await until(() => made.listeners.connectionCount === 1, 'one connection')
      made.onRequest = (one) => made.answer(one)
      const fourth = await made.client(0)
      for (const client of [second, fourth]) {
        client.send(request(1))
        await until(() => client.answers.length === 1, 'an answer')
      }
    }
  })

  test('an address may have a count of its own', async () => {
    const config = {
      'max.connections.per.ip': '0',
      'max.connections.per.ip.overrides': '127.0.0.1:1',
    }
    const made = await setup({ config })
    const first = await made.client()
    await until(() => made.listeners.connectionCount === 1, 'one connection')
    const second = await made.client()
    await until(() => second.isClosed, 'the end of the second')
    expect(first.isClosed).toBe(false)
    const bad = { 'max.connections.per.ip.overrides': 'somewhere' }
    expect(() => new TestListeners({ config: bad })).toThrow('max.connections.per.ip.overrides')
  })

  test('that come faster than they may are served in their turn', async () => {
    const made = await setup({ config: { 'max.connection.creation.rate': '2' } })
    made.onRequest = (one) => made.answer(one)
    const clients = [await made.client(0), await made.client(1), await made.client(0)]
    for (const client of clients) client.send(request(1))
    const [first, second, third] = clients
    await until(() => first?.answers.length === 1 && second?.answers.length === 1, 'two answers')
    await made.clock.advanceBy(499)
    await sleep(systemClock, 20)
    expect(third?.answers).toEqual([])
    await made.clock.advanceBy(1)
    await until(() => third?.answers.length === 1, 'the third answer')
  })

  test('whose clients take no answers are as idle as those that say nothing', async () => {
    const made = await setup({ config: { 'connections.max.idle.ms': '60000' } })
    made.onRequest = (one) => made.answer(one, 10_000_000)
    const stuck = await made.client()
    stuck.socket.pause()
    stuck.send(framed(1, 'fetch'), framed(2, 'fetch'))
    await until(() => made.requests.length === 1, 'the request')
    await sleep(systemClock, 50)
    made.listeners.closeIdle()
    await made.clock.advanceBy(59_999)
    made.listeners.closeIdle()
    expect(made.listeners.connectionCount).toBe(1)
    await made.clock.advanceBy(1)
    made.listeners.closeIdle()
    await until(() => made.listeners.connectionCount === 0, 'its end')
    await until(() => made.listeners.unsentBytes === 0, 'all memory')
    expect(made.requests).toHaveLength(1)
  })

  test('a negative time closes none', async () => {
    const made = await setup({ config: { 'connections.max.idle.ms': '-1' } })
    await made.client()
    await until(() => made.listeners.connectionCount === 1, 'one connection')
    await made.clock.advanceBy(1e9)
    made.listeners.closeIdle()
    await sleep(systemClock, 20)
    expect(made.listeners.connectionCount).toBe(1)
  })
})

describe('requests', () => {
  test('over the bound of their bytes wait until others are answered; what has begun goes on', async () => {
    const made = await setup({ config: { 'queued.max.request.bytes': '300000' } })
    const [first, second, third] = [
      await made.client(0),
      await made.client(1),
      await made.client(1),
    ]
    const large = framed(2, 'produce', 200_000)
    first.send(framed(1, 'produce', 200_000))
    await until(() => made.requests.length === 1, 'the first request')
    second.send(large.subarray(0, 150_000))
    await until(() => made.listeners.requestBytes > 350_000, 'a frame that has begun')
    third.send(framed(3, 'produce', 100))
    first.send(framed(4, 'produce', 100))
    await sleep(systemClock, 50)
    expect(made.requests.map(({ correlationId }) => correlationId)).toEqual([1])
    second.send(large.subarray(150_000), framed(5, 'produce', 100_000))
    await until(() => made.requests.length === 2, 'the one that had begun')
    await sleep(systemClock, 50)
    expect(made.requests.map(({ correlationId }) => correlationId)).toEqual([1, 2])
    made.onRequest = (one) => made.answer(one)
    for (const one of made.requests) made.answer(one)
    await until(() => made.requests.length === 5, 'all others')
    await until(() => made.listeners.requestBytes === 0 && made.pool.bytesInUse === 0, 'all memory')
  })

  describe('that are not finished', () => {
    const MEBIBYTE = 1024 * 1024
    /** Kafka's default, of which this is the claim. */
    const CLAIM_BYTES = 100 * MEBIBYTE
    const BOUND_BYTES = 16 * MEBIBYTE
    const COUNT = 200

    /** What they may hold together: 32 KiB each, a quarter of the bound, and the one that goes on. */
    const heldBytesMax = COUNT * 32 * 1024 + BOUND_BYTES / 4 + 3 * MEBIBYTE

    async function claiming(made: TestListeners, sentBytes: number): Promise<Client[]> {
      const size = Buffer.alloc(4)
      size.writeInt32BE(CLAIM_BYTES)
      const clients = await Promise.all(range(COUNT).map((at) => made.client(at % 2)))
      for (const client of clients) client.send(size)
      const claimedBytes = COUNT * 32 * 1024
      await until(() => made.listeners.requestBytes === claimedBytes, 'all claims')
      for (const client of clients) client.send(Buffer.alloc(sentBytes, 1))
      return clients
    }

    async function expectGoesOn(good: Client, bytes: number): Promise<void> {
      const before = good.answers.length
      good.send(framed(1, 'produce', bytes), framed(2, 'produce', bytes))
      await until(() => good.answers.length === before + 2, 'the answers to a good client')
    }

    test('cost next to nothing for what is only claimed', async () => {
      const made = await setup({ requestBytesMax: BOUND_BYTES })
      made.onRequest = (one) => made.answer(one)
      await claiming(made, 100)
      await expectGoesOn(await made.client(), 1_000_000)
      expect(made.pool.bytesInUse).toBeLessThanOrEqual(COUNT * 32 * 1024)
      expect(made.listeners.connectionCount).toBe(COUNT + 1)
    })

    test('are bounded in all, and nobody else has to wait for them', async () => {
      const made = await setup({ requestBytesMax: BOUND_BYTES })
      made.onRequest = (one) => made.answer(one)
      const good = await made.client()
      await expectGoesOn(good, 1_000_000)
      await claiming(made, 2 * MEBIBYTE)
      await until(() => made.listeners.requestBytes > heldBytesMax / 2, 'the bound')
      for (let round = 0; round < 20; round++) {
        await expectGoesOn(good, 1_000_000)
        await expectGoesOn(await made.client(), 10_000)
        expect(made.pool.bytesInUse).toBeLessThan(heldBytesMax)
      }
      expect(made.lines).toEqual([])
    })

    test('are closed after a while, if they keep others from sending large ones', async () => {
      const made = await setup({ requestBytesMax: BOUND_BYTES })
      made.onRequest = (one) => made.answer(one)
      const clients = await claiming(made, 2 * MEBIBYTE)
      await until(() => made.listeners.requestBytes > heldBytesMax / 2, 'the bound')
      await made.clock.advanceBy(15_000)
      const newcomer = await made.client()
      newcomer.send(framed(1, 'produce', 1_000_000))
      await sleep(systemClock, 50)
      await made.clock.advanceBy(14_999)
      expect(newcomer.answers).toEqual([])
      await made.clock.advanceBy(1)
      made.listeners.closeIdle()
      await until(() => clients.every(({ isClosed }) => isClosed), 'the end of all others')
      await until(() => newcomer.answers.length === 1, 'the answer to the newcomer')
      await until(() => made.listeners.requestBytes === 0, 'all memory')
      expect(made.pool.bytesInUse).toBe(0)
    })

    test('are closed if they keep all others out, whatever their clients are trusted with', async () => {
      const made = await setup({ requestBytesMax: BOUND_BYTES })
      made.onRequest = (one) => made.answer(one)
      const clients = await Promise.all(range(20).map(() => made.client()))
      for (const client of clients) await expectGoesOn(client, MEBIBYTE)
      for (const client of clients) client.send(framed(3, 'produce', MEBIBYTE).subarray(0, 100))
      await until(() => made.listeners.requestBytes > BOUND_BYTES, 'the bound')
      const good = await made.client()
      good.send(framed(1, 'produce', 10))
      await sleep(systemClock, 50)
      expect([good.answers, made.pool.bytesInUse > BOUND_BYTES + 2 * MEBIBYTE]).toEqual([[], false])
      await made.clock.advanceBy(10_000)
      made.listeners.closeIdle()
      await until(() => good.answers.length === 1, 'the answer to a good client')
    })

    test('become whole one after the other where all are honest, each larger than the bound', async () => {
      const made = await setup({ requestBytesMax: 500_000 })
      made.onRequest = (one) => made.answer(one)
      const clients = await Promise.all(range(6).map((at) => made.client(at % 2)))
      for (const [at, client] of clients.entries()) {
        client.send(framed(1, 'produce', 3_000_000 + at), framed(2, 'produce', 10))
      }
      await until(() => clients.every(({ answers }) => answers.length === 2), 'all answers')
      const sizes = made.requests.map(({ frame }) => frame.buffer.length).filter((n) => n > 1_000)
      expect(sizes).toHaveLength(6)
      await until(
        () => made.listeners.requestBytes === 0 && made.pool.bytesInUse === 0,
        'all memory',
      )
      expect(made.lines).toEqual([])
    })

    test('are not blamed on clients that nobody reads', async () => {
      const made = await setup({ requestBytesMax: 500_000 })
      const client = await made.client()
      const bytes = framed(1, 'produce', 900_000)
      client.send(bytes.subarray(0, 800_000))
      await until(() => made.listeners.requestBytes > 500_000, 'the bound')
      made.listeners.holdAll(true)
      await made.clock.advanceBy(60_000)
      made.listeners.closeIdle()
      made.listeners.holdAll(false)
      await made.clock.advanceBy(9_999)
      made.listeners.closeIdle()
      made.onRequest = (one) => made.answer(one)
      client.send(bytes.subarray(800_000))
      await until(() => client.answers.length === 1, 'the answer')
    })
  })

  test.each([
    ['behind a fetch', range(300, 2), 5_000],
    ['and are large', [2], 1_500_000],
  ])('that wait %s are closed if others need the memory', async (_what, ids, padding) => {
    const made = await setup({ requestBytesMax: 1_000_000 })
    const waiting = await made.client()
    // One fetch at a time: the others keep their memory until it is answered.
    if (ids.length > 1) waiting.send(framed(1, 'fetch'))
    waiting.send(...ids.map((id) => padded(id, padding)))
    await until(() => made.listeners.requestBytes > 1_000_000, 'the bound')
    await until(() => made.requests.length === 1, 'the first of them')
    made.onRequest = (one) => made.answer(one)
    const good = await made.client()
    good.send(framed(1, 'produce', 10))
    await sleep(systemClock, 50)
    expect(good.answers).toEqual([])
    await made.clock.advanceBy(10_000)
    made.listeners.closeIdle()
    await until(() => waiting.isClosed, 'the end of the connection')
    made.answer(made.requests[0] as Request)
    await until(() => good.answers.length === 1, 'the answer to a good client')
    await until(() => made.listeners.requestBytes === 0 && made.pool.bytesInUse === 0, 'all memory')
  })

  test('that only wait do not count: fetches keep no producer out', async () => {
    const made = await setup({ config: { 'queued.max.request.bytes': '1000' } })
    const clients = await Promise.all(range(30).map(() => made.client()))
    for (const client of clients) client.send(framed(1, 'fetch'))
    await until(() => made.requests.length === 30, 'all fetches')
    const producer = await made.client()
    producer.send(framed(1, 'produce', 10))
    await until(() => made.requests.length === 31, 'the produce')
  })

  test('memory of connections that end is given back, whatever was under way', async () => {
    const made = await setup({ config: { 'queued.max.request.bytes': '300000' } })
    const clients = await Promise.all(range(4).map(() => made.client()))
    for (const [at, client] of clients.entries()) {
      client.send(framed(1, 'fetch'), framed(2, 'fetch'), framed(3, 'produce', 100_000))
      client.send(framed(4, 'produce', 50_000).subarray(0, 100 + at))
    }
    await until(() => made.listeners.requestBytes > 300_000, 'too much')
    for (const { socket } of clients) socket.destroy()
    // Who is not read is not heard to leave either, until there is room.
    made.onRequest = (one) => made.answer(one, 10)
    for (const one of [...made.requests]) made.answer(one, 10)
    await until(() => made.listeners.connectionCount === 0, 'the end of all')
    await until(() => made.listeners.requestBytes === 0 && made.pool.bytesInUse === 0, 'all memory')
  })

  test('of one client: one fetch at a time, and so many others; produces side by side', async () => {
    const made = await setup()
    const client = await made.client()
    client.send(...range(5).map((id) => framed(id, 'fetch')))
    client.send(...range(100, 5).map((id) => framed(id, 'produce')))
    await until(() => made.requests.length === 101, 'one fetch and all produces')
    await sleep(systemClock, 20)
    expect(made.requests.filter(({ api }) => api.key === apis.fetch.key)).toHaveLength(1)
    made.onRequest = (one) => made.answer(one)
    for (const one of [...made.requests]) made.answer(one)
    await until(() => client.answers.length === 105, 'all answers')
    expect(client.answers).toEqual(range(105))

    made.requests.length = 0
    made.onRequest = () => {}
    client.send(...range(500).map((id) => request(id)))
    await until(() => made.requests.length > 0, 'requests')
    await sleep(systemClock, 50)
    expect(made.requests.length).toBeLessThan(100)
    made.onRequest = (one) => made.answer(one)
    for (const one of [...made.requests]) made.answer(one)
    await until(() => client.answers.length === 605, 'all answers')
  })
})

describe('answers that nobody takes', () => {
  test('are bounded over all clients; who does not read is closed, and the others go on', async () => {
    const made = await setup({ unsentBytesMax: 15_000_000 })
    made.onRequest = (one) => made.answer(one, one.api.key === apis.fetch.key ? 10_000_000 : 10)
    const stuck = [await made.client(0), await made.client(1)]
    for (const client of stuck) {
      client.socket.pause()
      client.send(framed(1, 'fetch'), framed(2, 'fetch'))
    }
    await until(() => made.requests.length === 2, 'two fetches')
    const good = await made.client()
    good.send(framed(1, 'fetch'))
    const other = await made.client()
    other.send(request(1))
    await until(() => other.answers.length === 1, 'an answer to something small')
    expect(good.answers).toEqual([])
    made.listeners.closeIdle()
    await made.clock.advanceBy(10_000)
    made.listeners.closeIdle()
    await until(() => good.answers.length === 1, 'the answer to who reads')
    expect(made.lines).toMatchObject([{ level: 'warn' }, { level: 'warn' }])
    await until(() => made.listeners.unsentBytes === 0, 'all memory')
  })
})

describe('what clients are told', () => {
  test('is what was set, or where the broker listens', () => {
    const plain = { tls: null, advertised: null }
    const tls = {
      certificateFile: '',
      keyFile: '',
      clientCaFile: null,
      clientAuthentication: 'none' as const,
      versionMin: 'TLSv1.2' as const,
    }
    const all = [
      { ...plain, name: 'a', listen: { host: '0.0.0.0', port: 0 } },
      { ...plain, name: 'b', listen: { host: '::', port: 9 } },
      { name: 'c', tls, listen: { host: '10.0.0.1', port: 1 }, advertised: { host: 'x', port: 2 } },
      { ...plain, name: 'd', listen: { host: 'y', port: 0 }, advertised: { host: 'z', port: 0 } },
    ]
    expect(advertisedListeners(all, [5, 9, 1, 7])).toEqual([
      { name: 'a', host: '127.0.0.1', port: 5, security: 'plaintext' },
      { name: 'b', host: '::1', port: 9, security: 'plaintext' },
      { name: 'c', host: 'x', port: 2, security: 'tls' },
      { name: 'd', host: 'z', port: 7, security: 'plaintext' },
    ])
  })
})
