import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Api } from '../../broker/protocol/api-keys.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { codecOf, joined } from '../../broker/protocol/codec.ts'
import type { MetadataResponse } from '../../broker/protocol/messages/metadata.ts'
import { encodeRequestFrame } from '../../broker/protocol/request-header.ts'
import {
  decodeResponseHeader,
  responseHeaderVersion,
} from '../../broker/protocol/response-header.ts'
import type { Fields, StructIn, StructOut } from '../../broker/protocol/schema.ts'

const CLIENT_ID = 'wire-client'

/** A connection that sends what it is told and hides nothing: no retries, no metadata, no choice. */
export class WireClient {
  private readonly socket: Socket
  private received = Buffer.alloc(0)
  private nextCorrelationId = 1
  private readonly waiting = new Map<
    number,
    { resolve: (frame: Buffer) => void; reject: (error: Error) => void }
  >()

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => this.receive(bytes))
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the connection is closed'))
      this.waiting.clear()
    })
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<WireClient> {
    const socket = connect({ host, port, noDelay: true })
    await once(socket, 'connect')
    return new WireClient(socket)
  }

  private receive(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes])
    while (this.received.length >= 4) {
      const end = 4 + this.received.readInt32BE(0)
      if (this.received.length < end) return
      const frame = this.received.subarray(4, end)
      this.received = this.received.subarray(end)
      const correlationId = frame.readInt32BE(0)
      this.waiting.get(correlationId)?.resolve(frame)
      this.waiting.delete(correlationId)
    }
  }

  /** Resolves with the answer; rejects when the connection ends first. */
  async request<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: StructIn<Request>,
  ): Promise<StructOut<Response>> {
    const correlationId = this.send(api, version, body)
    const frame = await new Promise<Buffer>((resolve, reject) => {
      this.waiting.set(correlationId, { resolve, reject })
    })
    const headerVersion = responseHeaderVersion(api.response, version)
    const { bodyPosition } = decodeResponseHeader(frame, headerVersion)
    return codecOf(api.response, version).decode(frame, bodyPosition)
  }

  /** Sends without waiting for an answer (acks=0 has none). */
  send<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: StructIn<Request>,
  ): number {
    const correlationId = this.nextCorrelationId++
    const header = { correlationId, clientId: CLIENT_ID }
    this.socket.write(joined(encodeRequestFrame(api.request, version, header, body)))
    return correlationId
  }

  close(): void {
    this.socket.destroy()
  }
}

/** One request on a connection of its own. */
export async function ask<Request extends Fields, Response extends Fields>(
  port: number,
  api: Api<Request, Response>,
  version: number,
  body: StructIn<Request>,
): Promise<StructOut<Response>> {
  const client = await WireClient.connect(port)
  try {
    return await client.request(api, version, body)
  } finally {
    client.close()
  }
}

/** What a broker says about one topic, or about none (`topic` null). */
export function metadataOf(port: number, topic: string | null): Promise<MetadataResponse> {
  return ask(port, apis.metadata, 12, {
    topics: topic === null ? [] : [{ topicId: ZERO_UUID, name: topic }],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
  }) as Promise<MetadataResponse>
}

const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** How many partitions of `topic` each node leads, by the word of the broker on `port`. */
export async function leadersOf(port: number, topic: string): Promise<Map<number, number[]>> {
  const { topics } = await metadataOf(port, topic)
  const leaders = new Map<number, number[]>()
  for (const { partitionIndex, leaderId } of topics[0]?.partitions ?? []) {
    leaders.set(leaderId, [...(leaders.get(leaderId) ?? []), partitionIndex])
  }
  return leaders
}
