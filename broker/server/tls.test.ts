import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { sleep, systemClock } from '../../base/clock.ts'
import { seededRandom } from '../../base/random.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import type { TlsSettings } from '../listener-settings.ts'
import { type Issued, TestAuthority } from './testing/certificates.ts'
import {
  type Client,
  collecting,
  type Line,
  range,
  request,
  TestServer,
  until,
} from './testing/test-server.ts'
import { TlsCredentials } from './tls-credentials.ts'

let authority: TestAuthority
let stranger: TestAuthority
let issued: Issued
beforeAll(() => {
  authority = new TestAuthority()
  stranger = new TestAuthority('Somebody Else')
  issued = authority.issue('/CN=broker')
})
afterAll(() => {
  authority.close()
  stranger.close()
})

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function setup(settings: Partial<TlsSettings> = {}, clock = virtualClock()) {
  const lines: Line[] = []
  const credentials = await TlsCredentials.load({
    listener: 'test',
    settings: {
      certificateFile: issued.certificateFile,
      keyFile: issued.keyFile,
      clientCaFile: null,
      clientAuthentication: 'none',
      versionMin: 'TLSv1.2',
      ...settings,
    },
    clock,
    logger: collecting(lines),
    pollMs: 1_000,
  })
  const server = new TestServer({ tls: credentials, clock, logger: collecting(lines) })
  closing.push(() => server.close())
  await server.listen()
  const client = (options: ConnectionOptions = {}): Client => {
    const ca = readFileSync(authority.caFile)
    return server.take(connectTls({ host: '127.0.0.1', port: server.port, ca, ...options }))
  }
  return { server, client, lines, clock, credentials }
}

function shown(by: Issued): ConnectionOptions {
  return { cert: readFileSync(by.certificateFile), key: readFileSync(by.keyFile) }
}

function serverName(client: Client): string | undefined {
  return (client.socket as TLSSocket).getPeerX509Certificate()?.subject
}

async function answered(server: TestServer, client: Client): Promise<void> {
  server.onRequest = (one) => server.answer(one)
  client.send(request(1))
  await until(() => client.answers.length === 1 || client.isClosed, 'an answer')
  expect(client.answers).toEqual([1])
}

describe('over TLS', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'requests of any size are answered: %s',
    async (version) => {
      const { server, client } = await setup()
      const random = seededRandom(1)
      server.onRequest = (one) => server.answer(one, random.below(100_000))
      const clients = range(3).map(() => client({ maxVersion: version }))
      for (const each of clients)
        each.send(...range(20).map((id) => request(id, random.below(200_000))))
      await until(() => clients.every(({ answers }) => answers.length === 20), 'all answers')
      for (const { answers, frames } of clients) {
        expect(answers).toEqual(range(20))
        for (const [id, frame] of frames.entries()) {
          expect(frame.subarray(4).every((byte) => byte === id)).toBe(true)
        }
      }
      await until(() => server.pool.bytesInUse === 0, 'all memory')
      for (const { socket } of clients) socket.destroy()
      await until(() => server.server.connections.size === 0, 'no connections')
    },
  )

  test('a client that is older than TLS 1.2, or than what is asked for, does not come in', async () => {
    const { client, lines } = await setup({ versionMin: 'TLSv1.3' })
    const old = client({ maxVersion: 'TLSv1.2' })
    await until(() => old.isClosed, 'its end')
    await until(() => lines.some(({ message }) => message.includes('handshake failed')), 'a line')
  })

  test('plain text ends with its connection and one line', async () => {
    const { server, lines } = await setup()
    const plain = await server.client()
    plain.send(request(1), request(2))
    await until(() => plain.isClosed, 'its end')
    const told = lines.filter(({ message }) => message.includes('the connection is closed'))
    expect(told).toMatchObject([{ level: 'info', listener: 'test', peer: '127.0.0.1' }])
    expect([server.requests, server.server.connections.size]).toEqual([[], 0])
  })

  test('who says nothing is sent away after a while, and who only looks leaves no line', async () => {
    const { server, lines, clock } = await setup()
    const silent = await server.client()
    const looking = connect({ host: '127.0.0.1', port: server.port })
    await until(() => server.server.connections.size === 2, 'both')
    looking.end()
    await until(() => server.server.connections.size === 1, 'one')
    expect(lines).toHaveLength(1)
    await clock.advanceBy(9_999)
    await sleep(systemClock, 20)
    expect(silent.isClosed).toBe(false)
    await clock.advanceBy(1)
    await until(() => silent.isClosed, 'its end')
    expect(lines[1]?.message).toContain('took too long')
  })

  test('while memory is short nobody is read, and nobody is late for it', async () => {
    const { server, client, clock } = await setup()
    server.server.holdAll(true)
    const waiting = client()
    waiting.send(request(1))
    await until(() => server.server.connections.size === 1, 'the connection')
    await clock.advanceBy(30_000)
    await sleep(systemClock, 20)
    expect([server.requests.length, waiting.isClosed]).toEqual([0, false])
    server.onRequest = (one) => server.answer(one)
    server.server.holdAll(false)
    await until(() => waiting.answers.length === 1, 'the answer')
  })

  test('a client that takes no answers gets all once it reads', async () => {
    const { server, client } = await setup()
    server.onRequest = (one) => server.answer(one, 100_000)
    const slow = client()
    slow.socket.pause()
    slow.send(...range(100).map((id) => request(id)))
    await until(() => server.requests.length > 10, 'requests')
    await sleep(systemClock, 50)
    expect(server.requests.length).toBeLessThan(100)
    slow.socket.resume()
    await until(() => slow.answers.length === 100, 'all answers')
    await until(() => server.pool.bytesInUse === 0, 'all memory')
  })
})

describe("clients' certificates", () => {
  const asking = (how: TlsSettings['clientAuthentication']) => ({
    clientAuthentication: how,
    clientCaFile: authority.caFile,
  })

  test('one that is trusted names the client, as Kafka writes it', async () => {
    const { server, client } = await setup(asking('required'))
    const known = authority.issue('/C=DE/O=Shop, Inc/OU=R\\+D/CN=orders')
    await answered(server, client(shown(known)))
    const [connection] = [...server.server.connections]
    expect(connection?.principal).toBe('User:CN=orders,OU=R\\+D,O=Shop\\, Inc,C=DE')
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'required: nobody comes in without: %s',
    async (maxVersion) => {
      const { server, client, lines } = await setup(asking('required'))
      const none = client({ maxVersion })
      const strange = client({ maxVersion, ...shown(stranger.issue('/CN=orders')) })
      for (const each of [none, strange]) {
        each.send(request(1))
        await until(() => each.isClosed, 'its end')
      }
      expect(server.requests).toEqual([])
      expect(lines.filter(({ message }) => message.includes('connection is closed'))).toHaveLength(
        2,
      )
    },
  )

  test('requested: who shows none is nobody, and who shows a strange one does not come in', async () => {
    const { server, client } = await setup(asking('requested'))
    await answered(server, client())
    expect([...server.server.connections][0]?.principal).toBe('User:ANONYMOUS')
    const strange = client(shown(stranger.issue('/CN=orders')))
    strange.send(request(2))
    await until(() => strange.isClosed, 'its end')
    expect(server.requests).toHaveLength(1)
  })

  test('not asked for: what a client shows is nothing', async () => {
    const { server, client } = await setup()
    await answered(server, client(shown(stranger.issue('/CN=orders'))))
    expect([...server.server.connections][0]?.principal).toBe('User:ANONYMOUS')
  })

  test('a session that is taken up again names the same client', async () => {
    const { server, client } = await setup(asking('required'))
    const known = shown(authority.issue('/CN=orders'))
    const first = client({ ...known, maxVersion: 'TLSv1.2' })
    await answered(server, first)
    const session = (first.socket as TLSSocket).getSession()
    first.socket.destroy()
    await until(() => server.server.connections.size === 0, 'its end')
    const second = client({ ...known, maxVersion: 'TLSv1.2', ...(session && { session }) })
    await answered(server, second)
    expect((second.socket as TLSSocket).isSessionReused()).toBe(true)
    expect([...server.server.connections][0]?.principal).toBe('User:CN=orders')
  })
})

describe('files that change', () => {
  /** As Kubernetes does it: the files are links through a link, which is moved to a new folder. */
  function mounted(name: string) {
    const folder = join(authority.folder, name)
    mkdirSync(folder)
    const put = (version: number, from: Issued): void => {
      mkdirSync(join(folder, `..${version}`))
      copyFileSync(from.certificateFile, join(folder, `..${version}`, 'tls.crt'))
      copyFileSync(from.keyFile, join(folder, `..${version}`, 'tls.key'))
      symlinkSync(`..${version}`, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    }
    put(1, issued)
    for (const file of ['tls.crt', 'tls.key']) symlinkSync(`..data/${file}`, join(folder, file))
    return { put, certificateFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') }
  }

  test('new connections get the new certificate, old ones go on', async () => {
    const { put, ...files } = mounted('replaced')
    const { server, client, clock, lines } = await setup(files)
    const old = client()
    await answered(server, old)
    put(2, authority.issue('/CN=broker again'))
    await clock.advanceBy(1_000)
    await until(() => lines.some(({ message }) => message.includes('replaced')), 'a line')
    const next = client()
    await answered(server, next)
    expect([serverName(old), serverName(next)]).toEqual(['CN=broker', 'CN=broker again'])
    old.send(request(2))
    await until(() => old.answers.length === 2, 'an answer on the old connection')
  })

  test('what does not go together is told of once; the old pair stays until there is a good one', async () => {
    const { put, ...files } = mounted('broken')
    const { server, client, clock, lines } = await setup(files)
    const other = authority.issue('/CN=other')
    put(2, { ...issued, keyFile: other.keyFile })
    const warnings = (): Line[] => lines.filter(({ level }) => level === 'warn')
    await clock.advanceBy(1_000)
    await until(() => warnings().length === 1, 'a warning')
    for (let look = 0; look < 3; look++) {
      await clock.advanceBy(1_000)
      await sleep(systemClock, 20)
    }
    expect(warnings()).toHaveLength(1)
    expect((warnings()[0] as unknown as { error: Error }).error.message).toContain(files.keyFile)
    const meanwhile = client()
    await answered(server, meanwhile)
    expect(serverName(meanwhile)).toBe('CN=broker')
    put(3, other)
    await clock.advanceBy(1_000)
    await until(() => lines.some(({ message }) => message.includes('replaced')), 'a line')
    const next = client()
    await answered(server, next)
    expect(serverName(next)).toBe('CN=other')
  })

  test.each([
    ['no certificate', 'nothing.crt', /nothing\.crt holds no certificate/],
    ['no file', 'missing.crt', /ENOENT.*missing\.crt/],
  ])('a start with %s is refused with words', async (_what, name, words) => {
    writeFileSync(join(authority.folder, 'nothing.crt'), 'nothing')
    const certificateFile = join(authority.folder, name)
    await expect(setup({ certificateFile })).rejects.toThrow(words)
    await expect(setup({ certificateFile })).rejects.toThrow('listener test')
  })

  test('an authority without a certificate is refused: it would trust nobody, and not say so', async () => {
    const clientCaFile = join(authority.folder, 'empty')
    writeFileSync(clientCaFile, '\n')
    const asked = { clientCaFile, clientAuthentication: 'required' as const }
    await expect(setup(asked)).rejects.toThrow(/empty holds no certificate/)
  })
})
