import { connect, createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { BUILD_MS_MAX, type S3Server, startVersitygw } from '../object-store/testing/s3-servers.ts'
import { Cluster } from './lib/cluster.ts'
import { freePort } from './lib/ports.ts'
import { pause, until } from './lib/wait.ts'

const AWAY_MS = 3_000

let server: S3Server
/** Where the broker looks for the S3 server: nobody is there until it listens. */
let door: Server
let cluster: Cluster
beforeAll(async () => {
  server = await startVersitygw()
  const { port, hostname } = new URL(server.endpoint)
  door = createServer((socket) => {
    const behind = connect(Number(port), hostname)
    for (const each of [socket, behind]) each.on('error', () => {})
    socket.pipe(behind).pipe(socket)
  })
}, BUILD_MS_MAX)
afterEach(() => cluster.close())
afterAll(async () => {
  door.close()
  await server.stop()
})

test('a broker that starts while its store is away is alive, not ready, and serves once it is there', async () => {
  const port = await freePort()
  const store = server.url.replace(server.endpoint, `http://127.0.0.1:${port}`)
  cluster = new Cluster({ store, env: server.env })
  const broker = await cluster.launch()
  const statusOf = async (path: string): Promise<number> => {
    return (await fetch(`http://127.0.0.1:${broker.ports.admin}${path}`)).status
  }
  await until('it says that it is alive', () => statusOf('/livez').then(Boolean, () => false))
  await pause(AWAY_MS)
  expect([await statusOf('/livez'), await statusOf('/readyz')]).toEqual([200, 503])
  door.listen(port, '127.0.0.1')
  await broker.ready()
  expect([await statusOf('/livez'), await statusOf('/readyz')]).toEqual([200, 200])
})
