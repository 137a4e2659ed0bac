import { afterEach, describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../../base/clock.ts'
import { seededRandom } from '../../base/random.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { apis } from '../protocol/api-keys.ts'
import type { Request } from '../request.ts'
import { ConnectionQuotas } from './connection-quotas.ts'
import type { ServerOptions } from './server.ts'
import { limits, range, request, TestServer, until } from './testing/test-server.ts'

const open: TestServer[] = []

async function setup(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const made = new TestServer(options)
  open.push(made)
  return made.listen()
}

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

describe('requests and answers', () => {
  test('pipelined requests are worked on side by side and answered in their order', async () => {
    const made = await setup()
    const client = await made.client()
    client.send(...range(50).map((id) => request(id)))
    await until(() => made.requests.length === 50, 'all requests')
    const random = seededRandom(1)
    const open = [...made.requests]
    while (open.length > 0) {
      const [one] = open.splice(random.below(open.length), 1)
      if (one !== undefined) made.answer(one, random.below(3) === 0 ? random.below(20_000) : 0)
      if (random.below(5) === 0) await sleep(systemClock, 1)
    }
    await until(() => client.answers.length === 50, 'all answers')
    expect(client.answers).toEqual(range(50))
    for (const [id, frame] of client.frames.entries()) {
      expect(frame.subarray(4).every((byte) => byte === (id & 0xff))).toBe(true)
    }
    await until(() => made.pool.bytesInUse === 0, 'all memory')
  })

  test('frames cut at any byte are put together again', async () => {
    const made = await setup()
    made.onRequest = (one) => made.answer(one)
    const client = await made.client()
    const bytes = Buffer.concat([request(1), request(2, 60), request(3)])
    for (let at = 0; at < bytes.length; at++) {
      client.send(bytes.subarray(at, at + 1))
      if (at % 7 === 0) await sleep(systemClock, 1)
    }
    await until(() => client.answers.length === 3, 'all answers')
    expect(client.answers).toEqual([1, 2, 3])
    expect(made.pool.bytesInUse).toBe(0)
  })

  test('large frames, many at once on many connections', async () => {
    const made = await setup()
    made.onRequest = (one) => made.answer(one, 50_000)
    const clients = await Promise.all(range(8).map(() => made.client()))
    for (const client of clients) {
      client.send(...range(6).map((id) => request(id, 40_000 + id * 1_000)))
    }
    await until(() => clients.every(({ answers }) => answers.length === 6), 'all answers')
    for (const { answers } of clients) expect(answers).toEqual(range(6))
    await until(() => made.pool.bytesInUse === 0, 'all memory')
  })

  test('a request without an answer holds up none of the others', async () => {
    const made = await setup()
    const client = await made.client()
    client.send(request(1), request(2), request(3))
    await until(() => made.requests.length === 3, 'all requests')
    const [first, second, third] = made.requests as [Request, Request, Request]
    made.answer(third)
    second.respondNothing()
    await sleep(systemClock, 10)
    expect(client.answers).toEqual([])
    made.answer(first)
    await until(() => client.answers.length === 2, 'two answers')
    expect(client.answers).toEqual([1, 3])
    expect(made.pool.bytesInUse).toBe(0)
  })
})

describe('what is refused', () => {
  function withId(apiKey: number, apiVersion: number): Buffer {
    const bytes = request(5)
    bytes.writeInt16BE(apiKey, 4)
    bytes.writeInt16BE(apiVersion, 6)
    return bytes
  }

  test.each([
    ['an API that nobody knows', () => withId(9_999, 0)],
    ['an API that is not served', () => withId(apis.createTopics.key, 5)],
    ['a version that is not served', () => withId(apis.metadata.key, 99)],
    ['a body that is cut off', () => Buffer.from([0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 5, 255, 255])],
    ['a size of nothing', () => Buffer.alloc(8)],
    ['a frame that is too large', () => Buffer.from([0x7f, 0, 0, 0])],
    ['an HTTP request', () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a TLS hello', () => Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])],
  ])('%s closes its connection, and no other', async (_what, bytes) => {
    const made = await setup()
    made.onRequest = (one) => made.answer(one)
    const [bad, good] = [await made.client(), await made.client()]
    // What comes behind it is not worked on any more: it was meant to follow what was refused.
    bad.send(bytes(), request(6), request(7))
    await until(() => bad.isClosed, 'the end of the connection')
    good.send(request(8))
    await until(() => good.answers.length === 1, 'the other answer')
    expect(made.requests.map(({ correlationId }) => correlationId)).toEqual([8])
    await until(() => made.server.connections.size === 1, 'one connection')
    expect(made.pool.bytesInUse).toBe(0)
  })

  test('an ApiVersions request of the future is handed on as one of version 0', async () => {
    const made = await setup()
    const client = await made.client()
    client.send(withId(apis.apiVersions.key, 99))
    await until(() => made.requests.length === 1, 'the request')
    expect(made.requests[0]).toMatchObject({ version: 0, body: null, correlationId: 5 })
  })

  test('arbitrary bytes bring down nothing and keep no memory', async () => {
    const made = await setup()
    made.onRequest = (one) => made.answer(one)
    const random = seededRandom(7)
    const apiKeys = Object.values(apis).map(({ key }) => key)
    for (let round = 0; round < 20; round++) {
      const clients = await Promise.all(range(5).map(() => made.client()))
      for (const client of clients) {
        const body = random.bytes(8 + random.below(200))
        body.writeInt16BE(apiKeys[random.below(apiKeys.length)] as number, 0)
        body.writeInt16BE(random.below(14), 2)
        const size = Buffer.alloc(4)
        size.writeInt32BE(body.length)
        client.send(size, body, random.bytes(random.below(50)))
        client.socket.end()
      }
      await until(() => clients.every(({ isClosed }) => isClosed), 'the end of the connections')
    }
    await until(() => made.server.connections.size === 0, 'no connections')
    expect(made.pool.bytesInUse).toBe(0)
  })

  test('more connections than may', async () => {
    const made = await setup({
      quotas: new ConnectionQuotas(limits({ connectionsMax: 2 }), () => systemClock.nowMs()),
    })
    made.onRequest = (one) => made.answer(one)
    const [first, second] = [await made.client(), await made.client()]
    await until(() => made.server.connections.size === 2, 'two connections')
    const third = await made.client()
    await until(() => third.isClosed, 'the end of the third')
    first.socket.destroy()
    await until(() => made.server.connections.size === 1, 'one connection')
    const fourth = await made.client()
    for (const client of [second, fourth]) client.send(request(1))
    await until(() => second.answers.length + fourth.answers.length === 2, 'both answers')
  })
})

describe('connections that end', () => {
  test('in the midst of a frame give its memory back', async () => {
    const made = await setup()
    const clients = await Promise.all(range(10).map(() => made.client()))
    for (const client of clients) client.send(request(1, 200_000).subarray(0, 100_000))
    await until(() => made.pool.bytesInUse > 10 * 99_000, 'the memory of all frames')
    for (const { socket } of clients) socket.destroy()
    await until(() => made.server.connections.size === 0, 'no connections')
    expect(made.pool.bytesInUse).toBe(0)
  })

  test('before they are answered: whoever works on a request hears of it, and the answers are dropped', async () => {
    const made = await setup()
    const client = await made.client()
    client.send(...range(4).map((id) => request(id, 20_000)))
    await until(() => made.requests.length === 4, 'all requests')
    const told: number[] = []
    for (const one of made.requests) {
      one.onConnectionClosed = () => told.push(one.correlationId)
    }
    // The second has its answer already; it waits for the first.
    made.answer(made.requests[1] as Request, 30_000)
    client.socket.destroy()
    await until(() => told.length === 3, 'three who are told')
    expect(told).toEqual([0, 2, 3])
    expect(made.pool.bytesInUse).toBeLessThan(3 * 25_000)
    for (const at of [3, 0, 2]) made.answer(made.requests[at] as Request, 30_000)
    await until(() => made.pool.bytesInUse === 0, 'all memory')
    expect(made.requests[0]?.connection.isClosed).toBe(true)
  })

  test('while answers are on their way give back what these were made of', async () => {
    const made = await setup()
    made.onRequest = (one) => made.answer(one, 900_000)
    const client = await made.client()
    client.socket.pause()
    client.send(...range(30).map((id) => request(id)))
    await until(() => made.pool.bytesInUse > 5_000_000, 'answers that wait')
    client.socket.destroy()
    await until(() => made.pool.bytesInUse === 0, 'all memory')
  })

  test('with the server', async () => {
    const made = await setup()
    const client = await made.client()
    client.send(request(1))
    await until(() => made.requests.length === 1, 'the request')
    made.server.close()
    await until(() => client.isClosed, 'the end of the connection')
    made.answer(made.requests[0] as Request, 50_000)
    await until(() => made.pool.bytesInUse === 0, 'all memory')
  })
})

describe('idle connections', () => {
  test('are closed; those with something to do, or that nobody reads, are not', async () => {
    const clock = virtualClock()
    const made = await setup({ clock })
    const [idle, waiting, held] = [await made.client(), await made.client(), await made.client()]
    await until(() => made.server.connections.size === 3, 'three connections')
    waiting.send(request(1))
    await until(() => made.requests.length === 1, 'the request')
    const [, , last] = [...made.server.connections]
    last?.hold('memory')
    made.server.closeIdle(1_000)
    await clock.advanceBy(999)
    made.server.closeIdle(1_000)
    await clock.advanceBy(1)
    made.server.closeIdle(1_000)
    await until(() => idle.isClosed, 'the end of the idle one')
    await sleep(systemClock, 20)
    expect([waiting.isClosed, held.isClosed]).toEqual([false, false])
    // An answer is something that has happened, and a new request is too.
    made.answer(made.requests[0] as Request)
    await until(() => waiting.answers.length === 1, 'the answer')
    await clock.advanceBy(999)
    made.server.closeIdle(1_000)
    await sleep(systemClock, 20)
    expect(waiting.isClosed).toBe(false)
    await clock.advanceBy(1)
    made.server.closeIdle(1_000)
    await until(() => waiting.isClosed, 'the end of the other')
  })
})

describe('who is not read', () => {
  test('a client that takes no answers gets no more prepared than so many, and all once it reads', async () => {
    const made = await setup()
    made.onRequest = (one) => made.answer(one, 100_000)
    const client = await made.client()
    client.socket.pause()
    const all = range(400).map((id) => request(id, 10_000))
    for (const one of all) client.socket.write(one)
    let before = -1
    while (before !== made.requests.length) {
      before = made.requests.length
      await sleep(systemClock, 100)
    }
    expect(made.requests.length).toBeLessThan(200)
    expect(made.requests.length).toBeGreaterThan(0)
    client.socket.resume()
    await until(() => client.answers.length === 400, 'all answers')
    expect(client.answers).toEqual(range(400))
    await until(() => made.pool.bytesInUse === 0, 'all memory')
  })

  test('a client that asks on and on without being answered', async () => {
    const made = await setup()
    const client = await made.client()
    for (let first = 0; first < 20_000; first += 500) {
      client.send(...range(500, first).map((id) => request(id)))
    }
    let before = -1
    while (before !== made.requests.length) {
      before = made.requests.length
      await sleep(systemClock, 100)
    }
    expect(made.requests.length).toBeLessThan(6_000)
    made.onRequest = (one) => made.answer(one)
    for (const one of [...made.requests]) made.answer(one)
    await until(() => client.answers.length === 20_000, 'all answers')
    expect(made.requests.length).toBe(20_000)
  })

  test('anybody while memory is short, also who comes then; afterwards all are', async () => {
    const made = await setup()
    made.onRequest = (one) => made.answer(one)
    const first = await made.client()
    first.send(request(1))
    await until(() => first.answers.length === 1, 'an answer')
    made.server.holdAll(true)
    const second = await made.client()
    first.send(request(2))
    second.send(request(3))
    await sleep(systemClock, 50)
    expect(made.requests).toHaveLength(1)
    made.server.holdAll(false)
    await until(() => first.answers.length === 2 && second.answers.length === 1, 'both answers')
  })

  test('for two reasons: one of them ends, the other still holds', async () => {
    const made = await setup()
    const client = await made.client()
    await until(() => made.server.connections.size === 1, 'the connection')
    const [connection] = [...made.server.connections]
    connection?.hold('memory')
    connection?.hold('memory')
    connection?.hold('rate')
    connection?.release('memory')
    client.send(request(1))
    await sleep(systemClock, 50)
    expect(made.requests).toHaveLength(0)
    connection?.release('memory')
    connection?.release('rate')
    await until(() => made.requests.length === 1, 'the request')
  })
})
