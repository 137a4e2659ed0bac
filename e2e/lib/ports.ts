import { createServer } from 'node:net'
import { systemRandom } from '../../base/random.ts'

/**
 * Below the range that systems take the ports of outgoing connections from: a client that tries to
 * reach a broker that is down must not get that port for its own end and talk to itself.
 */
const FIRST = 20_000
const COUNT = 12_000
const taken = new Set<number>()

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}

/** A port of 127.0.0.1 that nobody listens on, and that this process was not given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + systemRandom.below(COUNT)
    if (taken.has(port)) continue
    taken.add(port)
    if (await isFree(port)) return port
  }
}
