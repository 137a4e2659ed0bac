import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { apis } from '../broker/protocol/api-keys.ts'
import { joined } from '../broker/protocol/codec.ts'
import { encodeRequestFrame } from '../broker/protocol/request-header.ts'
import { produceBody } from './lib/api-bodies.ts'
import type { BrokerProcess } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { batchOf } from './lib/produce.ts'
import { pause, until } from './lib/wait.ts'
import { WireClient } from './lib/wire-client.ts'

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * KIBIBYTE
const TEST_MS_MAX = 180_000
/** Far more than an acknowledgement takes, on a machine that has other things to do too. */
const ANSWER_MS_MAX = 5_000

let cluster: Cluster
const sockets: Socket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await cluster.close()
})

async function startBroker(config: Readonly<Record<string, string>> = {}): Promise<BrokerProcess> {
  cluster = await Cluster.start(1, { env: { STREAMCLUSTER_CONFIG: JSON.stringify(config) } })
  await cluster.createTopic('topic', 1)
  return cluster.running[0] as BrokerProcess
}

/** Resident memory of a process (Linux). */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * KIBIBYTE
}

/** How many files this process may have open; the broker, its child, has the same. */
function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  // Node raises the soft limit to the hard one when it starts.
  return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 0)
}

async function metric(broker: BrokerProcess, name: string): Promise<number> {
  const { text } = await broker.admin('/metrics')
  return Number(new RegExp(`^streamcluster_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1])
}

async function open(broker: BrokerProcess): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: broker.ports.kafka })
  sockets.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Resolves with how long one record takes until it is acknowledged. */
async function produceMs(client: WireClient, value = 'value'): Promise<number> {
  const startMs = performance.now()
  const body = produceBody('topic', new Map([[0, batchOf(value)]]))
  const { responses } = await client.request(apis.produce, 12, body)
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0)
  return performance.now() - startMs
}

async function median(count: number, measure: () => Promise<number>): Promise<number> {
  const all: number[] = []
  while (all.length < count) all.push(await measure())
  return all.sort((one, other) => one - other)[count >> 1] as number
}

describe('5,000 idle connections', () => {
  const COUNT = 5_000
  const AT_ONCE = 100
  /** What each has is its socket and a few objects. */
  const BYTES_EACH_MAX = 24 * KIBIBYTE
  /** Long enough to open all of them on a busy machine, short enough to wait for. */
  const IDLE_MS = 25_000

  function apiVersions(correlationId: number): Buffer {
    const { request } = apis.apiVersions
    return joined(encodeRequestFrame(request, 0, { correlationId, clientId: 'idle' }, {}))
  }

  /** Clients that have asked for something once, and then rest. */
  async function openIdle(broker: BrokerProcess): Promise<void> {
    while (sockets.length < COUNT) {
      const opened = Array.from({ length: AT_ONCE }, async () => {
        const socket = await open(broker)
        socket.write(apiVersions(1))
        await once(socket, 'data')
      })
      await Promise.all(opened)
    }
  }

  test(
    'cost little memory, slow nobody down, and are closed when they have been idle for long',
    async () => {
      expect(openFilesMax()).toBeGreaterThan(COUNT + 200)
      const broker = await startBroker({ 'connections.max.idle.ms': String(IDLE_MS) })
      const good = await WireClient.connect(broker.ports.kafka)
      const beforeMs = await median(15, () => produceMs(good))
      const beforeBytes = residentBytes(broker.pid)
      await openIdle(broker)
      expect(await metric(broker, 'connections')).toBe(COUNT + 1)
      const bytesEach = (residentBytes(broker.pid) - beforeBytes) / COUNT
      expect(bytesEach).toBeLessThan(BYTES_EACH_MAX)
      const withMs = await median(15, () => produceMs(good))
      expect(withMs).toBeLessThan(ANSWER_MS_MAX)
      process.stdout.write(
        `${COUNT} idle connections: ${Math.round(bytesEach / KIBIBYTE)} KiB each, ` +
          `an acknowledgement takes ${withMs.toFixed(1)} ms, before ${beforeMs.toFixed(1)} ms\n`,
      )
      // One that goes on asking stays.
      await until('all idle ones are closed', async () => {
        await produceMs(good)
        await pause(200)
        return (await metric(broker, 'connections')) === 1
      })
      expect(sockets.every(({ destroyed }) => destroyed)).toBe(true)
      good.close()
    },
    TEST_MS_MAX,
  )
})

describe('200 connections that claim 100 MiB each, the default limit', () => {
  const COUNT = 200
  const CLAIM_BYTES = 100 * MEBIBYTE
  /** The bound of requests by default, twice a frame, and what is free but not given back yet. */
  const BYTES_MAX = (256 + 2 * 100 + 256) * MEBIBYTE

  /** Sends all but the last MiB of what it claims, as fast as it is taken. */
  async function send(socket: Socket, claimedBytes: number): Promise<void> {
    const size = Buffer.alloc(4)
    size.writeInt32BE(claimedBytes)
    socket.write(size)
    const piece = Buffer.alloc(MEBIBYTE, 1)
    for (let left = claimedBytes - 2 * MEBIBYTE; left > 0 && !socket.destroyed; ) {
      left -= piece.length
      socket.write(piece)
      while (socket.writableLength > 0 && !socket.destroyed) await pause(20)
    }
  }

  test(
    'and stop short of it: memory is bounded, and others go on',
    async () => {
      const broker = await startBroker()
      const good = await WireClient.connect(broker.ports.kafka)
      const large = 'x'.repeat(900_000)
      for (let round = 0; round < 3; round++) await produceMs(good, large)
      const before = residentBytes(broker.pid)
      const strangers = await Promise.all(Array.from({ length: COUNT }, () => open(broker)))
      const sending = strangers.map((socket) => send(socket, CLAIM_BYTES))
      let [most, slowestMs] = [0, 0]
      const endMs = Date.now() + 20_000
      while (Date.now() < endMs) {
        slowestMs = Math.max(slowestMs, await produceMs(good, large))
        const newcomer = await WireClient.connect(broker.ports.kafka)
        slowestMs = Math.max(slowestMs, await produceMs(newcomer))
        newcomer.close()
        most = Math.max(most, residentBytes(broker.pid) - before)
        await pause(50)
      }
      process.stdout.write(
        `${COUNT} × 100 MiB claimed: ${Math.round(most / MEBIBYTE)} MiB taken at most, ` +
          `the slowest acknowledgement of others took ${Math.round(slowestMs)} ms\n`,
      )
      expect(most).toBeLessThan(BYTES_MAX)
      expect(slowestMs).toBeLessThan(ANSWER_MS_MAX)
      // Whoever does not end its frame is closed, for others that are as large.
      await until('all strangers are closed', () => strangers.every(({ destroyed }) => destroyed))
      await Promise.all(sending)
      await until('all memory is free', async () => (await metric(broker, 'request_bytes')) === 0)
      good.close()
    },
    TEST_MS_MAX,
  )
})
