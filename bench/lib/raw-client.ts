import { connect, type Socket } from 'node:net'
import { apis, type Api } from '../../broker/protocol/api-keys.ts'
import { buildBatch } from '../../broker/protocol/build-batch.ts'
import { codecOf, joined } from '../../broker/protocol/codec.ts'
import { encodeRequestFrame } from '../../broker/protocol/request-header.ts'
import {
  decodeResponseHeader,
  responseHeaderVersion,
} from '../../broker/protocol/response-header.ts'
import type { Fields, StructIn, StructOut } from '../../broker/protocol/schema.ts'

const API_VERSIONS_VERSION = 3
const METADATA_VERSION = 12
const PRODUCE_VERSION = 9
const ANSWER_MS_MAX = 30_000

/** A Kafka connection and nothing around it: one request at a time. Thousands of them are cheap. */
export class RawClient {
  private readonly socket: Socket
  private received: Buffer[] = []
  private bytes = 0
  private correlationId = 0
  private waiting: { resolve(frame: Buffer): void; reject(error: Error): void } | null = null

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => this.take(chunk as Buffer))
    socket.on('error', (error) => this.waiting?.reject(error))
    socket.on('close', () => this.waiting?.reject(new Error('the broker closed a connection')))
  }

  /** Connects, and says what every client says first: ApiVersions, then Metadata of its topics. */
  static async open(bootstrap: string, topics: readonly string[]): Promise<RawClient> {
    const [host = '', port = ''] = bootstrap.split(':')
    const socket = connect(Number(port), host)
    socket.setNoDelay(true)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const client = new RawClient(socket)
    const software = { clientSoftwareName: 'bench', clientSoftwareVersion: '1' }
    await client.ask(apis.apiVersions, API_VERSIONS_VERSION, software)
    await client.ask(apis.metadata, METADATA_VERSION, {
      topics: topics.map((name) => ({ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' })),
      ...{ allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false },
    })
    return client
  }

  get isOpen(): boolean {
    return !this.socket.destroyed
  }

  private take(chunk: Buffer): void {
    this.received.push(chunk)
    this.bytes += chunk.length
    const first = this.received[0] as Buffer
    if (first.length < 4 || this.bytes < 4 + first.readInt32BE(0)) return
    const frame = Buffer.concat(this.received)
    this.received = []
    this.bytes = 0
    this.waiting?.resolve(frame)
  }

  private async ask<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    version: number,
    body: StructIn<Req>,
  ): Promise<StructOut<Res>> {
    const header = { correlationId: this.correlationId++, clientId: 'bench' }
    const answer = new Promise<Buffer>((resolve, reject) => {
      this.waiting = { resolve, reject }
    })
    const timer = setTimeout(() => this.socket.destroy(), ANSWER_MS_MAX)
    this.socket.write(joined(encodeRequestFrame(api.request, version, header, body)))
    const frame = await answer.finally(() => clearTimeout(timer))
    this.waiting = null
    const { bodyPosition } = decodeResponseHeader(
      frame,
      responseHeaderVersion(api.response, version),
      4,
    )
    return codecOf(api.response, version).decode(frame, bodyPosition)
  }

  /** Sends one record with `acks=all`; resolves once it is acknowledged. Throws if it is refused. */
  async produce(topic: string, partition: number, value: Buffer): Promise<void> {
    const records = buildBatch([{ key: null, value, timestamp: Date.now() }])
    const { responses } = await this.ask(apis.produce, PRODUCE_VERSION, {
      ...{ acks: -1, timeoutMs: ANSWER_MS_MAX },
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    })
    const code = responses[0]?.partitionResponses[0]?.errorCode
    if (code !== 0) throw new Error(`a record is refused with error ${code}`)
  }

  close(): void {
    this.socket.destroy()
  }
}
