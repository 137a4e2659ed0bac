import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '../../base/clock.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import type { Credentials } from './access.ts'
import { KubeClient } from './client.ts'
import { kinds, pathOf } from './objects.ts'
import { FakeApiServer } from './testing/fake-api-server.ts'
import { failureIn, testClient, succeeded } from './testing/test-client.ts'
import { advanceUntil, settle, until } from './testing/until.ts'

let server: FakeApiServer

beforeEach(async () => {
  server = await FakeApiServer.start()
})
afterEach(() => server.stop())

function configMap(name: string, data: Record<string, string>, more = {}) {
  return { metadata: { namespace: 'a', name, ...more }, data }
}

describe('objects', () => {
  test('fields that nobody here has a type for survive every way in and out', async () => {
    const client = testClient(server, systemClock)
    const pod = {
      metadata: { namespace: 'a', name: 'p' },
      spec: { fieldOfTomorrow: { deep: [1, { er: true }] }, containers: [] },
    }
    await client.create(kinds.pod, pod)
    await client.mergePatch(kinds.pod, { namespace: 'a', name: 'p' }, { alsoNew: 'yes' })
    const read = succeeded(await client.get(kinds.pod, { namespace: 'a', name: 'p' }))
    expect(read).toMatchObject({ apiVersion: 'v1', kind: 'Pod', alsoNew: 'yes', spec: pod.spec })
    const written = succeeded(await client.replace(kinds.pod, { ...read, third: 3 }))
    expect(written).toMatchObject({ third: 3, alsoNew: 'yes', spec: pod.spec })
  })

  test('a list has every object once however many pages it takes, and says what they are', async () => {
    const client = testClient(server, systemClock)
    for (let index = 0; index < 23; index++) {
      server.put(kinds.configMap, configMap(`c${index}`, {}, { labels: { even: `${index % 2}` } }))
    }
    server.put(kinds.configMap, { metadata: { namespace: 'b', name: 'other' } })
    const selection = { namespace: 'a', labelSelector: 'even=1' }
    const all = succeeded(await client.list(kinds.configMap, { namespace: 'a' }, { pageCount: 5 }))
    expect(new Set(all.items.map(({ metadata }) => metadata.name)).size).toBe(23)
    expect(
      all.items.every(({ kind, apiVersion }) => `${apiVersion} ${kind}` === 'v1 ConfigMap'),
    ).toBe(true)
    const odd = succeeded(await client.list(kinds.configMap, selection, { pageCount: 5 }))
    expect(odd.items).toHaveLength(11)
    expect(succeeded(await client.list(kinds.configMap)).items).toHaveLength(24)
    const limits = server.requests.map(({ query }) => query.get('limit'))
    expect(limits.filter((limit) => limit === '5')).toHaveLength(5 + 3)
  })

  test('a list whose moment is forgotten between two pages is asked for as a whole', async () => {
    const client = testClient(server, systemClock)
    for (let index = 0; index < 7; index++) server.put(kinds.configMap, configMap(`c${index}`, {}))
    const expired = { status: 410, reason: 'Expired' }
    server.fail({ effect: expired, path: /continue=/ })
    const { items } = succeeded(await client.list(kinds.configMap, {}, { pageCount: 3 }))
    expect(items.map(({ metadata }) => metadata.name)).toEqual([
      'c0',
      'c1',
      'c2',
      'c3',
      'c4',
      'c5',
      'c6',
    ])
  })

  test('apply sets what it names, drops what it named before, and leaves others alone', async () => {
    const client = testClient(server, systemClock, 'ours')
    const other = testClient(server, systemClock, 'theirs')
    await client.apply(kinds.configMap, configMap('c', { a: '1', b: '1' }))
    await other.apply(kinds.configMap, configMap('c', { d: '1' }))
    const changed = await client.apply(kinds.configMap, configMap('c', { a: '2' }))
    expect(succeeded(changed).data).toEqual({ a: '2', d: '1' })
    const greedy = { data: { d: '9' }, metadata: { namespace: 'a', name: 'c' } }
    const refused = await client.apply(kinds.configMap, greedy, { force: false })
    expect(failureIn(refused)).toMatchObject({ status: 409, reason: 'Conflict' })
    expect(succeeded(await client.apply(kinds.configMap, greedy)).data).toEqual({ d: '9' })
    const names = server.writes.map(({ query }) => query.get('fieldManager'))
    expect(new Set(names)).toEqual(new Set(['ours', 'theirs']))
  })

  test('status and spec are written apart', async () => {
    const client = testClient(server, systemClock)
    const deployment = { metadata: { namespace: 'a', name: 'd' }, spec: { replicas: 2 } }
    expect(failureIn(await client.applyStatus(kinds.deployment, deployment)).reason).toBe(
      'NotFound',
    )
    await client.apply(kinds.deployment, deployment)
    await client.applyStatus(kinds.deployment, { ...deployment, spec: 1, status: { ready: 1 } })
    const replaced = await client.apply(kinds.deployment, { ...deployment, status: { ready: 9 } })
    expect(succeeded(replaced)).toMatchObject({ spec: { replicas: 2 }, status: { ready: 1 } })
  })

  test('a deletion with the uid of a predecessor spares the one that is there now', async () => {
    const client = testClient(server, systemClock)
    const name = { namespace: 'a', name: 'c' }
    const first = succeeded(await client.create(kinds.configMap, configMap('c', {})))
    succeeded(await client.delete(kinds.configMap, name, { uid: first.metadata.uid ?? '' }))
    await client.create(kinds.configMap, configMap('c', { second: 'yes' }))
    const late = await client.delete(kinds.configMap, name, { uid: first.metadata.uid ?? '' })
    expect(failureIn(late).reason).toBe('Conflict')
    expect(server.find(kinds.configMap, 'a', 'c')?.data).toEqual({ second: 'yes' })
  })

  test('paths of namespaced and other kinds, and of subresources', () => {
    expect(pathOf(kinds.pod)).toBe('/api/v1/pods')
    expect(pathOf(kinds.node, { name: 'n', namespace: 'ignored' })).toBe('/api/v1/nodes/n')
    expect(pathOf(kinds.deployment, { namespace: 'a', name: 'd', subresource: 'scale' })).toBe(
      '/apis/apps/v1/namespaces/a/deployments/d/scale',
    )
    expect(pathOf(kinds.pod, { namespace: 'a', name: '../x' })).toBe(
      '/api/v1/namespaces/a/pods/..%2Fx',
    )
  })
})

describe('failures', () => {
  test('carry Kubernetes’ reason and status, or those of the status alone', async () => {
    const client = testClient(server, systemClock)
    const name = { namespace: 'a', name: 'c' }
    expect(failureIn(await client.get(kinds.configMap, name))).toMatchObject({
      status: 404,
      reason: 'NotFound',
      isUndecided: false,
    })
    await client.create(kinds.configMap, configMap('c', {}))
    const again = failureIn(await client.create(kinds.configMap, configMap('c', {})))
    expect(again).toMatchObject({ status: 409, reason: 'AlreadyExists' })
    server.fail({ effect: { status: 500 } })
    expect(failureIn(await client.get(kinds.configMap, name)).status).toBe(500)
  })

  test('a create whose answer is lost is undecided, one that was never sent is not', async () => {
    const client = testClient(server, systemClock)
    server.fail({ effect: 'lost', method: 'POST' })
    const lost = failureIn(await client.create(kinds.configMap, configMap('c', {})))
    expect(lost).toMatchObject({ status: null, reason: 'Unreachable', isUndecided: true })
    expect(server.find(kinds.configMap, 'a', 'c')).toBeDefined()
    const again = failureIn(await client.create(kinds.configMap, configMap('c', {})))
    expect(again.reason).toBe('AlreadyExists')
    await server.stop()
    await settle()
    const unsent = failureIn(await client.create(kinds.configMap, configMap('d', {})))
    expect(unsent).toMatchObject({ reason: 'Unreachable', isUndecided: false })
    server = await FakeApiServer.start()
  })

  test('a server that never answers is given up at the deadline', async () => {
    const clock = virtualClock()
    const client = testClient(server, clock)
    server.fail({ effect: 'silent' })
    let failure: unknown = null
    const writing = client
      .create(kinds.configMap, configMap('c', {}), { deadlineMs: 4_000 })
      .then((outcome) => (failure = failureIn(outcome)))
    await until(() => server.requests.length === 1)
    await clock.advanceBy(3_999)
    expect(failure).toBeNull()
    await clock.advanceBy(1)
    await writing
    expect(failure).toMatchObject({ reason: 'Timeout', isUndecided: true })
    expect(clock.pendingCount).toBe(0)
  })

  test('an aborted request ends at once, and one that begins aborted is not sent', async () => {
    const clock = virtualClock()
    const client = testClient(server, clock)
    const controller = new AbortController()
    const { signal } = controller
    server.fail({ effect: 'silent' })
    const reading = client.get(kinds.pod, { namespace: 'a', name: 'p' }, { signal })
    await until(() => server.requests.length === 1)
    controller.abort()
    expect(failureIn(await reading)).toMatchObject({ reason: 'Aborted', isUndecided: false })
    const late = await client.get(kinds.pod, { namespace: 'a', name: 'p' }, { signal })
    expect(failureIn(late).reason).toBe('Aborted')
    expect(server.requests).toHaveLength(1)
  })

  test('Retry-After is heeded within the deadline, and told to the caller beyond it', async () => {
    const clock = virtualClock()
    const client = testClient(server, clock)
    const busy = { status: 429, reason: 'TooManyRequests', retryAfterSeconds: 2 }
    server.fail({ effect: busy, times: 3 })
    let isDone = false
    const writing = client.create(kinds.configMap, configMap('c', {})).finally(() => {
      isDone = true
    })
    expect(await advanceUntil(clock, () => isDone, { limitMs: 20_000 })).toBe(true)
    succeeded(await writing)
    expect(clock.nowMs()).toBeGreaterThanOrEqual(6_000)
    expect(server.requests).toHaveLength(4)
    server.fail({ effect: { ...busy, retryAfterSeconds: 60 }, times: 9 })
    const refused = failureIn(await client.get(kinds.pod, { namespace: 'a', name: 'p' }))
    expect(refused).toMatchObject({ status: 429, retryAfterMs: 60_000 })
    expect(server.requests).toHaveLength(5)
  })

  test('what is no JSON object is a failure, not an exception', async () => {
    const client = testClient(server, systemClock)
    server.fail({ effect: { status: 204 } })
    const odd = failureIn(await client.get(kinds.pod, { namespace: 'a', name: 'p' }))
    expect(odd).toMatchObject({ status: null, reason: 'Unreadable' })
  })
})

describe('credentials', () => {
  test('a token that is refused is read again, once, and the request repeated', async () => {
    const tokens = ['old', 'new']
    let index = 0
    const access = {
      server: server.url,
      namespace: null,
      credentials: (): Promise<Credentials> =>
        Promise.resolve({ headers: { authorization: `Bearer ${tokens[index]}` }, tls: {} }),
      forget: () => void index++,
    }
    const client = new KubeClient({ access, clock: systemClock, fieldManager: 'test' })
    server.fail({ effect: { status: 401, reason: 'Unauthorized' } })
    const found = await client.get(kinds.pod, { namespace: 'a', name: 'p' })
    expect(failureIn(found).reason).toBe('NotFound')
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer old',
      'Bearer new',
    ])
    server.fail({ effect: { status: 401, reason: 'Unauthorized' }, times: 5 })
    expect(failureIn(await client.raw('GET', '/version')).status).toBe(401)
    expect(server.requests).toHaveLength(4)
  })

  test('credentials that cannot be read are a failure', async () => {
    const access = {
      server: server.url,
      namespace: null,
      credentials: () => Promise.reject(new Error('no such file')),
      forget() {},
    }
    const client = new KubeClient({ access, clock: systemClock, fieldManager: 'test' })
    const failure = failureIn(await client.raw('GET', '/version'))
    expect(failure).toMatchObject({ reason: 'Unreachable', isUndecided: false })
    expect(failure.message).toContain('no such file')
    await settle()
    expect(server.requests).toHaveLength(0)
  })
})
