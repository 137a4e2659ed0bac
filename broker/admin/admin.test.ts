import { afterEach, describe, expect, test } from '@jest/globals'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, sleep, systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { Metrics } from '../../base/metrics.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import type { InternalMethod } from '../transport.ts'
import { AdminServer, type AdminTarget } from './admin-server.ts'
import { CALL_BYTES_MAX, httpTransport } from './internal-calls.ts'

const SECRET = Buffer.alloc(32, 7).toString('base64')
const TIMEOUT_MS = 5_000
const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

class Target implements AdminTarget {
  readonly metrics = new Metrics()
  isAlive = true
  isServing = false
  nodeId: number | null = 3
  readonly calls: { method: string; body: Buffer }[] = []
  reply: (body: Buffer) => Buffer = (body) => Buffer.concat([Buffer.from('re:'), body])

  isLive(): boolean {
    return this.isAlive
  }
  isReady(): boolean {
    return this.isServing
  }
  load(): unknown {
    return { partitions: 5 }
  }
  identity() {
    return this.nodeId === null ? null : { nodeId: this.nodeId, secret: SECRET }
  }
  call(method: string, body: Buffer): Buffer {
    this.calls.push({ method, body })
    return this.reply(body)
  }
}

async function serving(): Promise<{ target: Target; port: number }> {
  const target = new Target()
  const server = new AdminServer(target, silentLogger)
  const port = await server.listen('127.0.0.1', 0)
  closing.push(() => server.close())
  return { target, port }
}

function get(port: number, path: string, method = 'GET') {
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method }, (response) => {
      let text = ''
      response.on('data', (bytes: Buffer) => {
        text += bytes.toString()
      })
      response.on('end', () => {
        const type = response.headers['content-type'] ?? ''
        resolve({ status: response.statusCode ?? 0, type, text })
      })
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** A way to call, with that secret. */
function caller(secret: string | null = SECRET, clock: Clock = systemClock) {
  const transport = httpTransport(() => secret, clock)
  closing.push(() => transport.close())
  return (
    port: number,
    body: Buffer,
    options: { nodeId?: number; method?: InternalMethod } = {},
  ): Promise<Buffer> => {
    const { nodeId = 3, method = 'ping' } = options
    const address = { host: '', port: 0, internalHost: '127.0.0.1', internalPort: port }
    return transport.call({ nodeId, address }, method, body, TIMEOUT_MS)
  }
}

async function rawServer(listener: Parameters<typeof createServer>[1]): Promise<number> {
  const server: Server = createServer({}, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

describe('the admin port', () => {
  test('tells health by what holds when it is asked', async () => {
    const { target, port } = await serving()
    expect((await get(port, '/livez')).status).toBe(200)
    expect((await get(port, '/readyz')).status).toBe(503)
    target.isServing = true
    target.isAlive = false
    expect((await get(port, '/livez')).status).toBe(503)
    expect((await get(port, '/readyz?verbose')).status).toBe(200)
  })

  test('tells metrics and load', async () => {
    const { target, port } = await serving()
    target.metrics.gauge('some', 'Some.', () => 4)
    const metrics = await get(port, '/metrics')
    expect(metrics).toMatchObject({ status: 200, type: target.metrics.contentType })
    expect(metrics.text).toContain('some 4\n')
    const load = await get(port, '/load')
    expect(load).toMatchObject({ status: 200, type: 'application/json' })
    expect(JSON.parse(load.text)).toEqual({ partitions: 5 })
  })

  test('serves nothing else', async () => {
    const { target, port } = await serving()
    expect((await get(port, '/')).status).toBe(404)
    expect((await get(port, '/load', 'POST')).status).toBe(405)
    expect(target.calls).toEqual([])
  })

  test('answers on when one request fails', async () => {
    const { target, port } = await serving()
    let isBroken = true
    target.metrics.gauge('some', 'Some.', () => {
      if (isBroken) throw new Error('no')
      return 1
    })
    expect((await get(port, '/metrics')).status).toBe(500)
    isBroken = false
    expect((await get(port, '/metrics')).status).toBe(200)
  })

  test('an address that is taken is told', async () => {
    const { port } = await serving()
    const second = new AdminServer(new Target(), silentLogger)
    await expect(second.listen('127.0.0.1', port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

describe('calls between nodes', () => {
  test('bring their bodies and answers, whatever is in them', async () => {
    const { target, port } = await serving()
    const call = caller()
    for (const body of [Buffer.alloc(0), Buffer.from([0, 255, 10]), Buffer.alloc(3_000_000, 1)]) {
      const reply = await call(port, body, { method: 'handoff' })
      expect(reply.equals(Buffer.concat([Buffer.from('re:'), body]))).toBe(true)
    }
    expect(target.calls.map(({ method }) => method)).toEqual(Array(3).fill('handoff'))
  })

  test('are only heard from those who know the secret, for this node, and as they were sent', async () => {
    const { target, port } = await serving()
    const body = Buffer.from('body')
    await expect(caller('x'.repeat(44))(port, body)).rejects.toMatchObject({ failure: 'refused' })
    await expect(caller()(port, body, { nodeId: 4 })).rejects.toMatchObject({ failure: 'refused' })
    expect((await get(port, '/internal/ping', 'POST')).status).toBe(421)
    // Whoever listens in may pass a call on to nobody else, as nothing else.
    const heard: { headers: Record<string, string>; body: Buffer }[] = []
    const wire = await rawServer((message, response) => {
      const headers = { 'x-streamcluster-mac': String(message.headers['x-streamcluster-mac']) }
      message.resume().on('end', () => {
        heard.push({ headers, body })
        response.end()
      })
    })
    await caller()(wire, body)
    const replay = (path: string, sent: Buffer) =>
      new Promise<number>((resolve) => {
        const headers = { ...heard[0]?.headers, 'content-length': sent.length }
        const options = { host: '127.0.0.1', port, path, method: 'POST', headers }
        request(options, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0))
        }).end(sent)
      })
    expect(await replay('/internal/handoff', body)).toBe(421)
    expect(await replay('/internal/ping', Buffer.from('bodx'))).toBe(421)
    expect(target.calls).toEqual([])
    expect(await replay('/internal/ping', body)).toBe(200)
  })

  test('tell apart who is gone from who does not answer', async () => {
    const { target, port } = await serving()
    const call = caller()
    const body = Buffer.alloc(0)
    const gone = await rawServer(() => {})
    for (const close of closing.splice(-1)) close()
    await sleep(systemClock, 20)
    await expect(call(gone, body)).rejects.toMatchObject({ failure: 'refused' })
    target.nodeId = null
    await expect(call(port, body)).rejects.toMatchObject({ failure: 'no-answer' })
    target.nodeId = 3
    target.reply = () => {
      throw new Error('it has ended')
    }
    await expect(call(port, body)).rejects.toMatchObject({ failure: 'no-answer' })
    await expect(caller(null)(port, body)).rejects.toMatchObject({ failure: 'no-answer' })
  })

  test('end in time, also where many wait for one that is silent, or that drips', async () => {
    const silent = await rawServer(() => {})
    const dripping = await rawServer((_message, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('x'), 20)
      response.on('close', () => clearInterval(timer))
    })
    const clock = virtualClock()
    const call = caller(SECRET, clock)
    const calls = [
      ...Array.from({ length: 60 }, () => call(silent, Buffer.alloc(0))),
      call(dripping, Buffer.alloc(0)),
    ]
    const ended = Promise.allSettled(calls)
    await sleep(systemClock, 100)
    await clock.advanceBy(TIMEOUT_MS)
    for (const outcome of await ended) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { failure: 'no-answer' } })
    }
    expect(clock.pendingCount).toBe(0)
  })

  test('larger than any that is sent are cut off', async () => {
    const { target, port } = await serving()
    const body = Buffer.alloc(CALL_BYTES_MAX + 1)
    await expect(caller()(port, body)).rejects.toMatchObject({ failure: 'no-answer' })
    expect(target.calls).toEqual([])
    expect((await get(port, '/livez')).status).toBe(200)
  })
})
