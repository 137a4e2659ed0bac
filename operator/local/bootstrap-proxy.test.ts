import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { systemClock } from '../../base/clock.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { BootstrapProxy } from './bootstrap-proxy.ts'
import type { Endpoint } from '../brokers/broker-load.ts'

const HOST = '127.0.0.1'
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

interface Broker {
  readonly endpoint: Endpoint
  readonly sockets: Set<Socket>
  die(): Promise<void>
}

/** A server that greets with `name` and then hands each connection to `serve`. */
async function broker(name: string, serve: (socket: Socket) => void): Promise<Broker> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write(name)
    serve(socket)
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const die = async (): Promise<void> => {
    for (const socket of sockets) socket.resetAndDestroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  closers.push(die)
  const { port } = server.address() as AddressInfo
  return { endpoint: { host: HOST, port }, sockets, die }
}

const echo = (socket: Socket): void => void socket.pipe(socket)

async function proxyTo(targets: () => readonly Endpoint[], clock = systemClock) {
  const proxy = new BootstrapProxy({ clock, targets })
  const result = await proxy.listen({ host: HOST, port: 0 })
  closers.push(() => proxy.close())
  if (!result.ok) throw new Error(result.message)
  const { port } = result
  const open = (): Socket => {
    const socket = connect({ host: HOST, port, allowHalfOpen: true })
    socket.on('error', () => {})
    closers.push(async () => void socket.destroy())
    return socket
  }
  return { proxy, open, port }
}

/** Everything until the other side ends; unlike stream/consumers, it leaves the socket open. */
async function received(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'end')
  return Buffer.concat(pieces)
}

/** Resolves when the other side has ended the connection, in whichever way. */
function gone(socket: Socket): Promise<unknown> {
  socket.resume()
  return Promise.race([once(socket, 'end'), once(socket, 'close')])
}

async function greeting(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  return bytes.toString()
}

describe('the bootstrap port', () => {
  test('sends connections to the brokers in turn', async () => {
    const brokers = [await broker('a', echo), await broker('b', echo), await broker('c', echo)]
    const { open } = await proxyTo(() => brokers.map(({ endpoint }) => endpoint))
    const names: string[] = []
    for (let i = 0; i < 6; i++) names.push(await greeting(open()))
    expect(names.slice(0, 3).sort()).toEqual(['a', 'b', 'c'])
    expect(names.slice(3)).toEqual(names.slice(0, 3))
  })

  test('passes over a broker that does not accept', async () => {
    const [dead, alive] = [await broker('dead', echo), await broker('alive', echo)]
    await dead.die()
    const { open } = await proxyTo(() => [dead.endpoint, alive.endpoint])
    expect(await greeting(open())).toBe('alive')
    expect(await greeting(open())).toBe('alive')
  })

  test('holds a client that comes before the first broker', async () => {
    const targets: Endpoint[] = []
    const { proxy, open } = await proxyTo(() => targets)
    const client = open()
    await once(client, 'connect')
    const late = await broker('late', echo)
    targets.push(late.endpoint)
    proxy.targetsChanged()
    expect(await greeting(client)).toBe('late')
  })

  test('ends a client that no broker came for, after a while', async () => {
    const clock = virtualClock()
    const { proxy, open } = await proxyTo(() => [], clock)
    const client = open()
    const ended = gone(client)
    while (proxy.connectionCount === 0) await new Promise((resolve) => setImmediate(resolve))
    await clock.advanceBy(4999)
    expect(proxy.connectionCount).toBe(1)
    await clock.advanceBy(1)
    await ended
    expect(proxy.connectionCount).toBe(0)
  })

  test('ends the connections of a broker that dies, and of no other', async () => {
    const [a, b] = [await broker('a', echo), await broker('b', echo)]
    const { open } = await proxyTo(() => [a.endpoint, b.endpoint])
    const [first, second] = [open(), open()]
    expect([await greeting(first), await greeting(second)]).toEqual(['a', 'b'])
    const ended = gone(first)
    await a.die()
    await ended
    second.write('still there')
    expect(await greeting(second)).toBe('still there')
  })

  test('ends the connection to the broker when the client dies', async () => {
    const a = await broker('a', echo)
    const { open } = await proxyTo(() => [a.endpoint])
    const client = open()
    await greeting(client)
    const [upstream] = a.sockets
    const closed = once(upstream as Socket, 'close')
    client.resetAndDestroy()
    await closed
    expect(upstream?.destroyed).toBe(true)
  })

  test('carries a half-close: the client ends, the answer still arrives', async () => {
    const a = await broker('', (socket) => {
      void received(socket).then((request) => socket.end(`got ${request.length}`))
    })
    const { open } = await proxyTo(() => [a.endpoint])
    const client = open()
    client.end(Buffer.alloc(100_000))
    expect((await received(client)).toString()).toBe('got 100000')
  })

  test('a client that does not read slows its broker, and loses nothing', async () => {
    const sentBytes = 64 * 1024 * 1024
    const a = await broker('', (socket) => void socket.end(Buffer.alloc(sentBytes)))
    const { open } = await proxyTo(() => [a.endpoint])
    const client = open()
    await once(client, 'connect')
    // Longer than the loopback needs for all of it, if nothing held it back.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const [upstream] = a.sockets
    expect(upstream?.writableFinished).toBe(false)
    expect((await received(client)).length).toBe(sentBytes)
  })

  test('says that the port is in use', async () => {
    const { port } = await proxyTo(() => [])
    const second = new BootstrapProxy({ clock: systemClock, targets: () => [] })
    const result = await second.listen({ host: HOST, port })
    expect(result).toMatchObject({ ok: false, reason: 'in-use' })
  })
})
