import { connect, createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { BUILD_MS_MAX, type S3Server, startVersitygw } from '../object-store/testing/s3-servers.ts'
import { Cluster } from './lib/cluster.ts'
import { pause, until } from './lib/wait.ts'

const AWAY_MS = 3_000

/** An S3 server behind a door that is open or shut. */
let server: S3Server
let door: Server
let isOpen = false
let cluster: Cluster
beforeAll(async () => {
  server = await startVersitygw()
  const target = new URL(new URL(server.url).searchParams.get('endpoint') ?? '')
  door = createServer((socket) => {
    if (!isOpen) return void socket.destroy()
    const behind = connect(Number(target.port), target.hostname)
    for (const each of [socket, behind]) each.on('error', () => {})
    socket.pipe(behind).pipe(socket)
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
}, BUILD_MS_MAX)
afterEach(() => cluster.close())
afterAll(async () => {
  door.close()
  await server.stop()
})

test('a broker that starts while its store is away is alive, not ready, and serves once it is there', async () => {
  const url = new URL(server.url)
  const address = door.address()
  const port = typeof address === 'object' ? address?.port : 0
  url.searchParams.set('endpoint', `http://127.0.0.1:${port}`)
  cluster = new Cluster({ store: url.href, env: server.env })
  const broker = await cluster.launch()
  const statusOf = async (path: string): Promise<number> => {
    return (await fetch(`http://127.0.0.1:${broker.ports.admin}${path}`)).status
  }
  await until('it says that it is alive', () => statusOf('/livez').then(Boolean, () => false))
  await pause(AWAY_MS)
  expect([await statusOf('/livez'), await statusOf('/readyz')]).toEqual([200, 503])
  isOpen = true
  await broker.ready()
  expect([await statusOf('/livez'), await statusOf('/readyz')]).toEqual([200, 200])
})
