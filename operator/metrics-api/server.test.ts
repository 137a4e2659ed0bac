import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { KubeClient } from '../kube/client.ts'
import { authority, type Certificate, issued } from '../testing/certificates.ts'
import { MetricsApi } from './server.ts'

/** Who may ask, over real TLS; the API server is a stub that knows one token and one right. */
const folder = mkdtempSync(join(tmpdir(), 'metrics-api-'))
const METRIC = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/kafka/pods/*/'
const PATH = `${METRIC}streamcluster_requests_per_second`

let kubernetes: http.Server
let api: MetricsApi
let client: KubeClient
let serving: Certificate
const certificates: Record<string, Certificate> = {}
let reviewCount = 0

function stubApiServer(frontProxy: Certificate): http.Server {
  return http.createServer((message, response) => {
    let text = ''
    message.on('data', (piece) => {
      text += piece
    })
    message.on('end', () => {
      response.setHeader('content-type', 'application/json')
      const { spec = {} } = (text === '' ? {} : JSON.parse(text)) as {
        spec?: { token?: string; user?: string; groups?: string[]; resourceAttributes?: object }
      }
      if (message.url?.includes('configmaps/extension-apiserver-authentication')) {
        const data = {
          'requestheader-client-ca-file': frontProxy.cert,
          'requestheader-allowed-names': '["front-proxy-client"]',
          'requestheader-username-headers': '["X-Remote-User"]',
          'requestheader-group-headers': '["X-Remote-Group"]',
          'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
        }
        response.end(JSON.stringify({ metadata: {}, data }))
      } else if (message.url?.includes('tokenreviews')) {
        const authenticated = spec.token === 'good'
        const user = { username: 'keda', groups: ['scalers'] }
        response.end(JSON.stringify({ status: authenticated ? { authenticated, user } : {} }))
      } else {
        reviewCount++
        const allowed = spec.user === 'hpa' || spec.groups?.includes('scalers') === true
        response.end(JSON.stringify({ status: { allowed } }))
      }
    })
  })
}

function get(
  path: string,
  options: { certificate?: Certificate; headers?: Record<string, string> } = {},
): Promise<number> {
  const { certificate, headers = {} } = options
  return new Promise((resolve, reject) => {
    const request = https.get({
      ...{ host: '127.0.0.1', port: api.port, path, headers, agent: false },
      ...{ ca: serving.cert, servername: 'metrics.kafka.svc' },
      ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    })
    request.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('error', reject)
  })
}

beforeAll(async () => {
  const frontProxy = authority(folder, 'front-proxy')
  const other = authority(folder, 'other')
  serving = authority(folder, 'serving')
  issued(folder, serving, { file: 'tls', commonName: 'metrics', hosts: ['metrics.kafka.svc'] })
  const commonName = 'front-proxy-client'
  certificates.proxy = issued(folder, frontProxy, { file: 'proxy', commonName })
  certificates.stranger = issued(folder, other, { file: 'stranger', commonName })
  certificates.wrongName = issued(folder, frontProxy, { file: 'wrong', commonName: 'else' })
  certificates.wrongUse = issued(folder, frontProxy, { file: 'use', commonName, hosts: ['a.b'] })
  kubernetes = stubApiServer(frontProxy)
  await new Promise<void>((resolve) => kubernetes.listen(0, '127.0.0.1', resolve))
  const server = `http://127.0.0.1:${(kubernetes.address() as AddressInfo).port}`
  const credentials = { headers: {}, tls: {} }
  const access = {
    ...{ server, namespace: null, forget() {} },
    credentials: () => Promise.resolve(credentials),
  }
  client = new KubeClient({ access, clock: systemClock, fieldManager: 'test' })
  api = await MetricsApi.start({
    ...{ client, clock: systemClock, log: silentLogger, tlsFolder: folder },
    listen: { host: '127.0.0.1', port: 0 },
    measured: { pods: () => [], reportOf: () => null },
  })
}, 30_000)

afterAll(async () => {
  api.close()
  client.close()
  kubernetes.closeAllConnections()
  await new Promise((resolve) => kubernetes.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

const asHpa = { 'x-remote-user': 'hpa', 'x-remote-group': 'system:serviceaccounts' }

describe('the API server, by its certificate,', () => {
  test('asks in the name of a user, and gets what that one may have', async () => {
    const { proxy } = certificates
    expect(await get(PATH, { certificate: proxy as Certificate, headers: asHpa })).toBe(200)
    const headers = { 'x-remote-user': 'somebody' }
    expect(await get(PATH, { certificate: proxy as Certificate, headers })).toBe(403)
  })

  test('is asked once for what it was asked a moment ago', async () => {
    const { proxy } = certificates
    const headers = { 'x-remote-user': 'hpa', 'x-remote-group': 'once' }
    const before = reviewCount
    for (let times = 0; times < 3; times++) {
      await get(PATH, { certificate: proxy as Certificate, headers })
    }
    expect(reviewCount).toBe(before + 1)
  })

  test('asks for superusers without being asked back', async () => {
    const { proxy } = certificates
    const headers = { 'x-remote-user': 'root', 'x-remote-group': 'system:masters' }
    const before = reviewCount
    expect(await get(PATH, { certificate: proxy as Certificate, headers })).toBe(200)
    expect(reviewCount).toBe(before)
  })
})

describe('whoever else names a user', () => {
  test.each(['stranger', 'wrongName', 'wrongUse'])(
    'with a certificate (%s) is nobody',
    async (name) => {
      const certificate = certificates[name] as Certificate
      expect(await get(PATH, { certificate, headers: asHpa })).toBe(403)
    },
  )

  test('without a certificate is nobody', async () => {
    expect(await get(PATH, { headers: asHpa })).toBe(403)
    expect(await get(PATH)).toBe(403)
  })
})

test('a token says who asks', async () => {
  expect(await get(PATH, { headers: { authorization: 'Bearer good' } })).toBe(200)
  expect(await get(PATH, { headers: { authorization: 'Bearer bad' } })).toBe(401)
})

test('discovery and health are for everybody', async () => {
  expect(await get('/apis/custom.metrics.k8s.io/v1beta1')).toBe(200)
  expect(await get('/readyz')).toBe(200)
})
