import { afterEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../base/log.ts'
import { type Api, apis } from './protocol/api-keys.ts'
import { buildBatch } from './protocol/build-batch.ts'
import { codecOf, joined } from './protocol/codec.ts'
import { encodeRequestFrame } from './protocol/request-header.ts'
import { decodeResponseHeader, responseHeaderVersion } from './protocol/response-header.ts'
import type { Fields, StructIn, StructOut } from './protocol/schema.ts'
import { brokerSettings } from './settings.ts'
import { Worker } from './worker.ts'

const closing: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A whole broker on a folder, in this process. */
async function startWorker(variables: Readonly<Record<string, string>>): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'streamcluster-worker-'))
  closing.push(() => rm(folder, { recursive: true, force: true }))
  const env: Record<string, string> = {
    STREAMCLUSTER_STORE: `file://${folder}`,
    STREAMCLUSTER_LISTEN: '127.0.0.1:0',
    STREAMCLUSTER_ADMIN_LISTEN: '127.0.0.1:0',
  }
  for (const [name, value] of Object.entries(variables)) env[`STREAMCLUSTER_${name}`] = value
  let ended: () => void = () => {}
  const end = new Promise<void>((resolve) => {
    ended = resolve
  })
  const worker = new Worker(brokerSettings(env), silentLogger, () => ended())
  const { kafka } = await worker.start()
  closing.push(async () => {
    await worker.drain()
    await end
  })
  return Number(kafka.split(':')[1])
}

/** A client that sends one request after the other. */
class Client {
  private readonly socket: Socket
  private received = Buffer.alloc(0)
  private wake: () => void = () => {}

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.socket.on('error', () => {})
    this.socket.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes])
      this.wake()
    })
    closing.push(() => {
      this.socket.destroy()
    })
  }

  async call<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    version: number,
    body: StructIn<Req>,
  ): Promise<StructOut<Res>> {
    const header = { correlationId: 1, clientId: 'test' }
    this.socket.write(joined(encodeRequestFrame(api.request, version, header, body)))
    for (;;) {
      const end = this.received.length < 4 ? Infinity : 4 + this.received.readInt32BE(0)
      if (this.received.length >= end) {
        const frame = this.received.subarray(4, end)
        this.received = this.received.subarray(end)
        const headerVersion = responseHeaderVersion(api.response, version)
        const { bodyPosition } = decodeResponseHeader(frame, headerVersion)
        return codecOf(api.response, version).decode(frame, bodyPosition)
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }

  /** The error codes of one produce to each of the topic's partitions. */
  async produce(partitions: number, bytes: number): Promise<number[]> {
    const value = Buffer.alloc(bytes, 1)
    const { responses } = await this.call(apis.produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [
        {
          name: 't',
          partitionData: Array.from({ length: partitions }, (_, index) => {
            return { index, records: buildBatch([{ key: null, value, timestamp: 1 }]) }
          }),
        },
      ],
    })
    return responses[0]?.partitionResponses.map(({ errorCode }) => errorCode) ?? []
  }
}

describe('a broker', () => {
  test('that has more accepted than it may reads on once that is durable, also after its last object', async () => {
    // Every single produce is over the bound, and is written as one object.
    const port = await startWorker({ BACKLOG_BYTES_MAX: '1000' })
    const client = new Client(port)
    const { topics } = await client.call(apis.createTopics, 7, {
      topics: [{ name: 't', numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([0])
    const others = [new Client(port), new Client(port)]
    for (let round = 0; round < 5; round++) {
      expect(await client.produce(3, 50_000)).toEqual([0, 0, 0])
      const answers = await Promise.all(others.map((other) => other.produce(3, 20_000)))
      expect(answers.flat()).toEqual(Array(6).fill(0))
    }
  })

  test('closes connections that nobody uses any more', async () => {
    const port = await startWorker({ CONFIG: '{"connections.max.idle.ms": 50}' })
    const socket = connect({ host: '127.0.0.1', port })
    await new Promise<void>((resolve) => socket.on('close', () => resolve()))
  })
})
