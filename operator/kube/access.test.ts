import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '../../base/clock.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { podAccess } from './access.ts'
import { KubeClient } from './client.ts'
import { kubeAccess } from './kube-config.ts'
import { kinds } from './objects.ts'
import { FakeApiServer } from './testing/fake-api-server.ts'
import { failureIn } from './testing/test-client.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'streamcluster-access-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function mount(token: string, ca: string): Promise<void> {
  await writeFile(join(folder, 'token'), `${token}\n`)
  await writeFile(join(folder, 'ca.crt'), ca)
  await writeFile(join(folder, 'namespace'), 'here')
}

describe('access of a pod', () => {
  const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }

  test('a program in no pod has none', async () => {
    expect(await podAccess({ clock: virtualClock(), environment: {}, folder })).toBeNull()
  })

  test('the token is read again as it is replaced; the CA stays one object while it is the same', async () => {
    await mount('one', 'ca-1')
    const clock = virtualClock()
    const access = await podAccess({ clock, environment, folder })
    expect(access).toMatchObject({ server: 'https://[fd00::1]:443', namespace: 'here' })
    const first = await access?.credentials()
    expect(first?.headers).toEqual({ authorization: 'Bearer one' })
    await mount('two', 'ca-1')
    expect(await access?.credentials()).toBe(first)
    await clock.advanceBy(60_000)
    const second = await access?.credentials()
    expect(second?.headers).toEqual({ authorization: 'Bearer two' })
    expect(second?.tls).toBe(first?.tls)
    await mount('three', 'ca-2')
    access?.forget()
    const third = await access?.credentials()
    expect(third?.headers).toEqual({ authorization: 'Bearer three' })
    expect(String(third?.tls.ca)).toBe('ca-2')
  })

  test('files that are missing for a moment are an error then, and no longer', async () => {
    await mount('one', 'ca-1')
    const access = await podAccess({ clock: virtualClock(), environment, folder })
    await rm(join(folder, 'token'))
    await expect(access?.credentials()).rejects.toMatchObject({ code: 'ENOENT' })
    await mount('two', 'ca-1')
    expect((await access?.credentials())?.headers.authorization).toBe('Bearer two')
  })
})

describe('access by kubeconfig', () => {
  test('the current context decides server, namespace and token', async () => {
    const server = await FakeApiServer.start()
    const path = join(folder, 'config')
    await writeFile(
      path,
      `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "${server.url}"}}]
users: [{name: u, user: {token: secret}}, {name: v, user: {token: other}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: mine}}]
current-context: x
`,
    )
    const clock = systemClock
    const access = await kubeAccess({ clock, environment: {}, kubeConfigPath: path })
    expect(access).toMatchObject({ server: server.url, namespace: 'mine' })
    const client = new KubeClient({ access, clock, fieldManager: 'test' })
    const missing = await client.get(kinds.pod, { namespace: 'a', name: 'p' })
    expect(failureIn(missing).reason).toBe('NotFound')
    expect(server.requests[0]?.headers.authorization).toBe('Bearer secret')
    await server.stop()
  })

  test('a context without a cluster is refused with its name', async () => {
    const path = join(folder, 'config')
    await writeFile(path, 'apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n')
    const access = kubeAccess({ clock: systemClock, environment: {}, kubeConfigPath: path })
    await expect(access).rejects.toThrow('nowhere')
  })
})
