import { once } from 'node:events'
import { connect } from 'node:net'
import { sleep, systemClock } from '../../base/clock.ts'

/** Said at once; more would only wait for each other. */
const AT_ONCE = 20
/** What is answered at all is answered sooner, mostly; what is refused is closed. */
const HEARD_MS_MAX = 300
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
  const answered = new Promise((resolve) => {
    socket.once('data', resolve)
  })
  await Promise.race([closed, answered, sleep(systemClock, HEARD_MS_MAX)])
  socket.destroy()
}
