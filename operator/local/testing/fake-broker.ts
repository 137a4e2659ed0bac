/**
 * Stands in for a broker in tests of what runs brokers: it has the process contract of a broker and
 * nothing else. Tests steer it through files in the store's folder, in `fake/`:
 *
 *   total      bytes per second of the whole cluster, shared evenly by those that are alive
 *   fail       if there, starting fails with this text
 *   hold       while there, a broker that starts does not serve yet
 *   deaf       if there, SIGTERM is ignored
 *   alive-ID   one per living process, made and removed by it, holding its pid
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PARTITIONS = 12
const DRAIN_MS = 100

function log(level: string, message: string, fields: object = {}): void {
  const time = new Date().toISOString()
  process.stderr.write(`${JSON.stringify({ time, level, message, ...fields })}\n`)
}

const folder = join(fileURLToPath(process.env.STREAMCLUSTER_STORE ?? ''), 'fake')
mkdirSync(folder, { recursive: true })

function read(name: string): string | null {
  const path = join(folder, name)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : null
}

const failure = read('fail')
if (failure !== null) {
  log('error', 'the broker cannot start', { error: { message: failure } })
  process.exit(1)
}

/** The lowest id that nobody had: a folder is made once. */
function takeNodeId(): number {
  for (let id = 1; ; id++) {
    try {
      mkdirSync(join(folder, `node-${id}`))
      return id
    } catch {}
  }
}

const nodeId = takeNodeId()
const alive = join(folder, `alive-${nodeId}`)
let state = 'active'

function load(): object {
  const others = readdirSync(folder).filter((name) => name.startsWith('alive-')).length
  const share = state === 'active' ? 1 / Math.max(1, others) : 0
  const bytes = Number(read('total') ?? 0) * share
  return {
    nodeId,
    state,
    partitions: Math.round(PARTITIONS * share),
    bytesInPerSecond: bytes / 2,
    bytesOutPerSecond: bytes / 2,
    requestsPerSecond: 10,
    eventLoopUtilization: 0.25,
    walBacklogBytes: 0,
    saturation: 0.25,
    movesIn: nodeId,
    movesOut: 0,
    movesMsLast: 42,
    clusterPartitions: PARTITIONS,
    controller: nodeId === 1,
  }
}

const kafka = createServer((socket) => {
  socket.on('error', () => {})
  socket.write(`node ${nodeId}\n`)
  socket.pipe(socket)
})
const admin = createHttpServer((request, response) => {
  const body = request.url === '/load' ? JSON.stringify(load()) : 'ok'
  response.writeHead(200).end(body)
})

function drain(): void {
  if (state === 'draining' || read('deaf') !== null) return
  state = 'draining'
  log('info', 'draining')
  rmSync(alive, { force: true })
  setTimeout(() => process.exit(0), DRAIN_MS)
}
process.on('SIGTERM', drain)
process.on('SIGINT', () => log('error', 'a broker must not get the SIGINT of the terminal'))

while (read('hold') !== null) await new Promise((resolve) => setTimeout(resolve, 20))
kafka.listen(0, '127.0.0.1', () => {
  admin.listen(0, '127.0.0.1', () => {
    writeFileSync(alive, String(process.pid))
    const of = (server: { address(): unknown }): string =>
      `127.0.0.1:${(server.address() as AddressInfo).port}`
    const line = { event: 'ready', nodeId, kafka: of(kafka), admin: of(admin) }
    process.stdout.write(`${JSON.stringify(line)}\n`)
    log('info', 'serving', { config: process.env.STREAMCLUSTER_CONFIG })
  })
})
