import { createHmac, timingSafeEqual } from 'node:crypto'
import { Agent, type IncomingMessage, request } from 'node:http'
import { type Clock, systemClock } from '../../base/clock.ts'
import { CallError, type Transport } from '../transport.ts'

export const INTERNAL_PATH = '/internal/'
/** The largest call: a handoff (see partition/handoff.ts) with room for one large state. */
export const CALL_BYTES_MAX = 64 * 1024 * 1024
const MAC_HEADER = 'x-streamcluster-mac'

/**
 * What authenticates a call: whoever can read the bucket knows the cluster's secret, and whoever
 * cannot has no business calling. Bound to method, callee and body.
 */
function macOf(secret: string, method: string, nodeId: number, body: Buffer): Buffer {
  return createHmac('sha256', Buffer.from(secret, 'base64'))
    .update(`${method}\n${nodeId}\n`)
    .update(body)
    .digest()
}

/** Whether a call was made by somebody who knows the secret, for this node. */
export function isAuthentic(
  secret: string,
  call: { method: string; nodeId: number; body: Buffer; mac: unknown },
): boolean {
  if (typeof call.mac !== 'string') return false
  const given = Buffer.from(call.mac, 'base64')
  const expected = macOf(secret, call.method, call.nodeId, call.body)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

export function macHeader(message: IncomingMessage): unknown {
  return message.headers[MAC_HEADER]
}

/** Calls between nodes over HTTP, on connections that are kept. */
export function httpTransport(
  secret: () => string | null,
  clock: Pick<Clock, 'after'> = systemClock,
): Transport & { close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  // What a coordinator is asked may wait for it: on connections of its own, so that no ping does.
  const slowAgent = new Agent({ keepAlive: true, maxSockets: 4 })
  return {
    call(target, method, body, timeoutMs) {
      return new Promise((resolve, reject) => {
        const key = secret()
        if (key === null) {
          reject(new CallError('no-answer', 'the cluster has no secret yet'))
          return
        }
        const { internalHost: host, internalPort: port } = target.address
        const call = request({
          agent: method === 'group' ? slowAgent : agent,
          host,
          port,
          method: 'POST',
          path: `${INTERNAL_PATH}${method}`,
          headers: {
            'content-length': body.length,
            [MAC_HEADER]: macOf(key, method, target.nodeId, body).toString('base64'),
          },
        })
        // For all of it: Node's own time-out does not run while a call waits for a connection, nor
        // as long as an answer drips in.
        const timer = clock.after(timeoutMs, () => call.destroy(new Error('the call timed out')))
        call.on('close', () => timer.cancel())
        const fail = (error: unknown): void => {
          const code = (error as { code?: string }).code
          const failure = code === 'ECONNREFUSED' ? 'refused' : 'no-answer'
          reject(new CallError(failure, `node ${target.nodeId} did not answer ${method}`, error))
        }
        call.on('error', fail)
        call.on('response', (response) => {
          collect(response, CALL_BYTES_MAX).then((reply) => {
            if (response.statusCode === 200) resolve(reply)
            // Somebody else listens there now: the node that we mean is gone.
            else if (response.statusCode === 421) {
              reject(new CallError('refused', `node ${target.nodeId} is not there any more`))
            } else
              reject(new CallError('no-answer', `node ${target.nodeId}: ${response.statusCode}`))
          }, fail)
        })
        call.end(body)
      })
    },
    close() {
      agent.destroy()
      slowAgent.destroy()
    },
  }
}

/** The whole body of a message. Rejects when it is larger than `bytesMax`. */
export async function collect(message: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of message as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > bytesMax) throw new Error(`the message has more than ${bytesMax} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces, bytes)
}
