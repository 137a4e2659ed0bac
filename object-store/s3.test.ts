import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Clock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { virtualClock } from '../base/testing/virtual-clock.ts'
import { s3Store } from './s3.ts'
import { s3Error } from './s3-errors.ts'
import type { ObjectStore } from './store.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}
type Answer = (response: http.ServerResponse, seen: Seen) => void

const credentials = { accessKeyId: 'test', secretAccessKey: 'top-secret' }
const closers: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A server of one's own, which answers as told, and a store on it. */
async function fake(answer: Answer, clock?: Clock) {
  const requests: Seen[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers } = request
    const seen = { method, url, headers, body: Buffer.concat(chunks) }
    requests.push(seen)
    answer(response, seen)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const endpoint = `http://127.0.0.1:${port}`
  const store = await s3Store({ bucket: 'bucket', prefix: 'p/q', endpoint, credentials, clock })
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  closers.push(() => store.close())
  return { store, requests, endpoint }
}

const errorXml = (code: string) => `<Error><Code>${code}</Code><Message>told</Message></Error>`

const refusing =
  (status: number, code: string): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/xml' })
    response.end(errorXml(code))
  }

const put = (store: ObjectStore) => store.putIfAbsent('k', [Buffer.from('words')])
const calls: Record<string, (store: ObjectStore) => Promise<unknown>> = {
  put,
  get: (store) => store.get('k'),
  list: (store) => store.list({ prefix: 'k' }),
  delete: (store) => store.delete(['k']),
}

describe('a create', () => {
  test('sends the pieces as one body, its checksum, and the condition', async () => {
    const { store, requests } = await fake((response) => response.end())
    const pieces = Array.from({ length: 300 }, (_, index) => systemRandom.bytes(index * 7))
    expect(await store.putIfAbsent('a/b c', pieces)).toBe('created')
    const whole = Buffer.concat(pieces)
    const [seen] = requests
    expect(seen?.body.equals(whole)).toBe(true)
    expect(seen).toMatchObject({ method: 'PUT', url: '/bucket/p/q/a/b%20c?x-id=PutObject' })
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32BE(crc32(whole))
    expect(seen?.headers).toMatchObject({
      'if-none-match': '*',
      'content-length': String(whole.length),
      'x-amz-checksum-crc32': checksum.toString('base64'),
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      authorization: expect.stringMatching(/SignedHeaders=.*if-none-match.*x-amz-checksum-crc32/),
    })
    expect(seen?.headers['transfer-encoding']).toBeUndefined()
  })

  test('that is refused before its body is sent never counts as created', async () => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.end('HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n')
        socket.destroySoon()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const { port } = server.address() as AddressInfo
    const store = await s3Store({
      ...{ bucket: 'bucket', endpoint: `http://127.0.0.1:${port}`, credentials },
    })
    closers.push(() => store.close())
    for (let round = 0; round < 10; round++) {
      const body = [Buffer.alloc(4_194_304)]
      const answer = await store.putIfAbsent('k', body).catch((error) => error.kind)
      expect(['exists', 'unknown']).toContain(answer)
    }
  })
})

describe('refusals', () => {
  const both = ['put', 'get'] as const
  const table: [number, string, readonly string[], string, RegExp][] = [
    [409, 'ConditionalRequestConflict', ['put'], 'conflict', /same time/],
    [403, 'AccessDenied', ['put'], 'denied', /allow s3:PutObject in bucket bucket/],
    [403, 'AccessDenied', ['get'], 'denied', /allow s3:GetObject .* s3:ListBucket/],
    [403, 'AccessDenied', ['list'], 'denied', /allow s3:ListBucket in bucket bucket/],
    [403, 'AccessDenied', ['delete'], 'denied', /allow s3:DeleteObject in bucket bucket/],
    [403, 'SignatureDoesNotMatch', both, 'denied', /AWS_SECRET_ACCESS_KEY/],
    [400, 'ExpiredToken', both, 'unavailable', /out of date/],
    [404, 'NoSuchBucket', ['put', 'get', 'list', 'delete'], 'misconfigured', /no bucket bucket/],
    [301, 'PermanentRedirect', both, 'misconfigured', /another region/],
    [501, 'NotImplemented', ['put'], 'misconfigured', /PUT with If-None-Match/],
    [400, 'InvalidRequest', both, 'misconfigured', /refuses/],
    [400, 'BadDigest', ['put'], 'unavailable', /damaged/],
    [429, 'TooManyRequests', both, 'throttled', /fewer requests/],
    [503, 'SlowDown', ['put', 'get', 'list', 'delete'], 'throttled', /fewer requests/],
    [503, 'ServiceUnavailable', ['put'], 'unknown', /server had an error/],
    [503, 'ServiceUnavailable', ['get'], 'unavailable', /server had an error/],
    [500, 'InternalError', ['put'], 'unknown', /server had an error/],
    [500, 'InternalError', ['get', 'list', 'delete'], 'unavailable', /server had an error/],
    [504, 'GatewayTimeout', ['put'], 'unknown', /server had an error/],
    [404, 'NotAnS3Code', ['get'], 'unavailable', /proxy/],
  ]
  test.each(table)('%i %s at %j is %s', async (status, code, operations, kind, words) => {
    const { store } = await fake(refusing(status, code))
    for (const operation of operations) {
      const error = (await calls[operation]?.(store).catch((thrown) => thrown)) as Error
      expect(error).toMatchObject({ name: 'StoreError', kind })
      expect(error.message).toMatch(words)
      expect(error.message).toContain('s3://bucket/p/q/')
      expect(error.message).not.toContain(credentials.secretAccessKey)
    }
  })

  test('412 is exists, 404 of the key is absent, 416 is empty', async () => {
    const { store } = await fake((response, { method, url }) => {
      if (method === 'PUT') refusing(412, 'PreconditionFailed')(response, {} as Seen)
      else if (url.includes('absent')) refusing(404, 'NoSuchKey')(response, {} as Seen)
      else refusing(416, 'InvalidRange')(response, {} as Seen)
    })
    expect(await put(store)).toBe('exists')
    expect(await store.get('absent')).toBeNull()
    expect(await store.get('k', { start: 9, end: 10 })).toHaveLength(0)
  })

  test('an error page that is no XML is judged by its status', async () => {
    const { store } = await fake((response) => {
      response.writeHead(502, { 'content-type': 'text/html' })
      response.end('<html>bad gateway<br></html')
    })
    await expect(put(store)).rejects.toMatchObject({ kind: 'unknown' })
    await expect(store.get('k')).rejects.toMatchObject({ kind: 'unavailable' })
  })
})

describe('connections', () => {
  test('a reset leaves a create unknown and a read unavailable', async () => {
    const { store } = await fake((response) => response.socket?.resetAndDestroy())
    await expect(put(store)).rejects.toMatchObject({ kind: 'unknown' })
    for (const operation of ['get', 'list', 'delete']) {
      await expect(calls[operation]?.(store)).rejects.toMatchObject({ kind: 'unavailable' })
    }
  })

  test('an answer cut off in the middle is no answer', async () => {
    const { store } = await fake((response) => {
      response.writeHead(200, { 'content-length': 1_000 })
      response.write(Buffer.alloc(500), () => response.socket?.destroy())
    })
    await expect(store.get('k')).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('a status counts for a create even when the words behind it are cut off', async () => {
    for (const [status, answer] of [
      [200, 'created'],
      [412, 'exists'],
    ] as const) {
      const { store } = await fake((response) => {
        response.writeHead(status, { 'content-length': 1_000 })
        response.write('<Error>', () => response.socket?.destroy())
      })
      expect(await put(store)).toBe(answer)
    }
  })

  test('a length that nobody can hold in memory is refused, not allotted', async () => {
    const { store } = await fake((response) => {
      response.writeHead(200, { 'content-length': 2 ** 50 })
      response.write('x')
    })
    await expect(store.get('k')).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('a server that is not there is unavailable: nothing was sent', async () => {
    const endpoint = 'http://127.0.0.1:1'
    const store = await s3Store({ bucket: 'bucket', endpoint, credentials })
    await expect(put(store)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/cannot be reached: check the endpoint/),
    })
  })

  test.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /NODE_EXTRA_CA_CERTS/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /NODE_EXTRA_CA_CERTS/],
  ])('%s is for a person to mend, unless it worked before', (code, words) => {
    const place = { bucket: 'b', prefix: '', key: 'k', status: null }
    const failed = Object.assign(new Error('told'), { code })
    const failure = { action: 's3:PutObject' as const, ...place }
    const error = s3Error(failed, { ...failure, worked: false })
    expect(error).toMatchObject({ kind: 'misconfigured', message: expect.stringMatching(words) })
    expect(s3Error(failed, { ...failure, worked: true }).kind).toBe('unavailable')
  })

  test('https asked of a server that speaks http', async () => {
    const { endpoint } = await fake((response) => response.end())
    const secure = endpoint.replace('http:', 'https:')
    const store = await s3Store({ bucket: 'bucket', endpoint: secure, credentials })
    await expect(put(store)).rejects.toMatchObject({
      kind: 'misconfigured',
      message: expect.stringMatching(/another protocol/),
    })
  })

  test('a server that does not answer is given up after a time that grows with the body', async () => {
    for (const [sizeBytes, leastMs, mostMs] of [
      [100, 1_000, 10_000],
      [100 * 1_048_576, 20_000, 100_000],
    ] as const) {
      const clock = virtualClock()
      const { store, requests } = await fake(() => {}, clock)
      const result = store.putIfAbsent('k', [Buffer.alloc(sizeBytes)])
      let settled = false
      result.catch(() => {}).finally(() => (settled = true))
      while (requests.length === 0) await pause(5)
      await clock.advanceBy(leastMs)
      await pause(20)
      expect(settled).toBe(false)
      await clock.advanceBy(mostMs - leastMs)
      await expect(result).rejects.toMatchObject({ kind: 'unknown' })
      await store.close()
    }
  })
})

/** Sets environment variables until the end of the test. */
function setVariables(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name]
    process.env[name] = value
    closers.push(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

test('short-lived credentials of a Kubernetes service account are fetched and used', async () => {
  const role = { AccessKeyId: 'from-the-role', SecretAccessKey: 's', SessionToken: 'the-session' }
  const fields = Object.entries({ ...role, Expiration: '2100-01-01T00:00:00Z' })
  const xml = fields.map(([name, value]) => `<${name}>${value}</${name}>`).join('')
  const call = 'AssumeRoleWithWebIdentity'
  const { endpoint, requests } = await fake((response, { body }) => {
    const result = `<${call}Result><Credentials>${xml}</Credentials></${call}Result>`
    response.end(body.includes(call) ? `<${call}Response>${result}</${call}Response>` : '')
  })
  const folder = await mkdtemp(join(tmpdir(), 'streamcluster-role-'))
  closers.push(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'token'), 'the-token')
  setVariables({
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
    AWS_REGION: 'us-east-1',
    AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/broker',
    AWS_ENDPOINT_URL_STS: endpoint,
  })
  const store = await s3Store({ bucket: 'bucket', endpoint })
  closers.push(() => store.close())
  expect(await put(store)).toBe('created')
  expect(String(requests[0]?.body)).toContain('the-token')
  expect(requests[1]?.headers).toMatchObject({
    authorization: expect.stringContaining('Credential=from-the-role/'),
    'x-amz-security-token': 'the-session',
  })
})

describe('odd servers', () => {
  test('one that ignores ranges has its answer cut', async () => {
    const { store } = await fake((response) => response.end('0123456789'))
    expect(String(await store.get('k', { start: 2, end: 5 }))).toBe('234')
    expect(String(await store.get('k', { suffixBytes: 3 }))).toBe('789')
    expect(String(await store.get('k', { start: 20, end: 30 }))).toBe('')
  })

  test('one that lists few objects at a time is asked again', async () => {
    const names = ['a', 'b', 'c/', 'd', 'e']
    const { store, requests } = await fake((response, { url }) => {
      const query = new URL(url, 'http://x').searchParams
      const after = query.get('start-after') ?? ''
      const rest = names.filter((name) => `p/q/${name}` > after)
      const page = rest.slice(0, Math.min(2, Number(query.get('max-keys'))))
      const contents = page.map(
        (name) => `<Contents><Key>p/q/${name}</Key><Size>7</Size></Contents>`,
      )
      const more = rest.length > page.length
      response.end(
        `<ListBucketResult><IsTruncated>${more}</IsTruncated>${contents.join('')}</ListBucketResult>`,
      )
    })
    const listed = await store.list({ prefix: '', limit: 1_000 })
    expect(listed.map(({ key }) => key)).toEqual(['a', 'b', 'd', 'e'])
    expect(await store.list({ prefix: '', limit: 3 })).toHaveLength(3)
    expect(requests.length).toBeLessThan(8)
  })

  test('one without DeleteObjects gets single deletes', async () => {
    const { store, requests } = await fake((response, { method }) => {
      if (method === 'POST') return refusing(501, 'NotImplemented')(response, {} as Seen)
      response.writeHead(204).end()
    })
    await store.delete(['a', 'b'])
    await store.delete(['c'])
    const deleted = requests.filter(({ method }) => method === 'DELETE').map(({ url }) => url)
    expect(deleted.map((url) => url.replace(/\?.*/, '')).sort()).toEqual([
      ...['/bucket/p/q/a', '/bucket/p/q/b', '/bucket/p/q/c'],
    ])
    // It need not be asked again.
    expect(requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  test('one that deletes some of the objects only', async () => {
    const answer =
      (code: string): Answer =>
      (response) => {
        const error = `<Error><Key>p/q/b</Key><Code>${code}</Code><Message>told</Message></Error>`
        response.end(`<DeleteResult>${error}</DeleteResult>`)
      }
    const denied = await fake(answer('AccessDenied'))
    await expect(denied.store.delete(['a', 'b'])).rejects.toMatchObject({
      kind: 'denied',
      key: 'b',
    })
    const failing = await fake(answer('InternalError'))
    await expect(failing.store.delete(['a', 'b'])).rejects.toMatchObject({ kind: 'unavailable' })
    await (await fake(answer('NoSuchKey'))).store.delete(['a', 'b'])
  })
})
