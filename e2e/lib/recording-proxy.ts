import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { apis } from '../../broker/protocol/api-keys.ts'
import { codecOf } from '../../broker/protocol/codec.ts'
import {
  decodeRequestHeader,
  decodeRequestId,
  requestHeaderVersion,
} from '../../broker/protocol/request-header.ts'

/**
 * Stands between clients and a broker that advertises the proxy's address, and keeps a copy of
 * every record batch on its way in: what a client really sent.
 */
export class RecordingProxy {
  /** Topic → partition → the batches in the order in which they came. Topics by name or id. */
  readonly batches = new Map<string, Map<number, Buffer[]>>()
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  /** Where it connects to; set once the broker's port is known. */
  targetPort = 0

  private constructor() {
    this.server = createServer({ noDelay: true }, (client) => this.accept(client))
  }

  static async start(port: number): Promise<RecordingProxy> {
    const proxy = new RecordingProxy()
    await new Promise<void>((resolve) => proxy.server.listen(port, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  private accept(client: Socket): void {
    const broker = connect({ port: this.targetPort, host: '127.0.0.1', noDelay: true })
    let received = Buffer.alloc(0)
    client.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes])
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const end = 4 + received.readInt32BE(0)
        this.record(received.subarray(4, end))
        received = received.subarray(end)
      }
    })
    client.pipe(broker)
    broker.pipe(client)
    for (const socket of [client, broker]) {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.sockets.delete(socket)
        client.destroy()
        broker.destroy()
      })
    }
  }

  private record(frame: Buffer): void {
    const { apiKey, apiVersion } = decodeRequestId(frame)
    if (apiKey !== apis.produce.key) return
    const { request } = apis.produce
    const header = decodeRequestHeader(frame, requestHeaderVersion(request, apiVersion))
    const { topicData } = codecOf(request, apiVersion).decode(frame, header.bodyPosition)
    for (const { name, topicId, partitionData } of topicData) {
      // Versions differ in how they name a topic; the absent one is empty.
      const topic = name || topicId || ''
      const partitions = this.batches.get(topic) ?? new Map<number, Buffer[]>()
      this.batches.set(topic, partitions)
      for (const { index, records } of partitionData) {
        if (records === null) continue
        partitions.set(index, [...(partitions.get(index) ?? []), Buffer.from(records)])
      }
    }
  }

  /** The batches sent to a partition, whichever way the client named the topic. */
  sentTo(topic: { name: string; topicId: string }, partition: number): Buffer[] {
    return [topic.name, topic.topicId].flatMap((each) => {
      return this.batches.get(each)?.get(partition) ?? []
    })
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
