import { once } from 'node:events'
import { connect } from 'node:net'
import { sleep, systemClock } from '../../base/clock.ts'

/** Said at once; more would only wait for each other. */
const AT_ONCE = 20
/** What is answered at all is answered sooner, mostly; what is refused is closed. */
const HEARD_MS_MAX = 400
/** Who has said nothing for so long has no more to say to what it was asked. */
const QUIET_MS = 60
const CONNECT_MS_MAX = 5_000

/** Says each conversation on a connection of its own, as far as somebody listens. */
export async function sayAll(port: number, conversations: readonly Buffer[]): Promise<void> {
  const left = [...conversations].reverse()
  const speak = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await say(port, next)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, speak))
}

async function say(port: number, bytes: Buffer): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const closed = new Promise((resolve) => {
    socket.once('close', resolve)
  })
  // Being thrown out is what many of them are there for.
  socket.on('error', () => {})
  await Promise.race([once(socket, 'connect').catch(() => {}), sleep(systemClock, CONNECT_MS_MAX)])
  socket.resume()
  socket.write(bytes)
  const endMs = systemClock.nowMs() + HEARD_MS_MAX
  // Several requests have several answers, and the last one may be what it is about.
  for (let bytes = -1; systemClock.nowMs() < endMs && !socket.closed; ) {
    if (socket.bytesRead > 0 && socket.bytesRead === bytes) break
    bytes = socket.bytesRead
    await Promise.race([closed, sleep(systemClock, QUIET_MS)])
  }
  socket.destroy()
}
