import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Resolves once somebody listens on `port`; false when `isGone` says so first, or time is up. */
export async function whenListening(
  port: number,
  isGone: () => boolean,
  timeoutMs: number,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs
  while (performance.now() < endMs && !isGone()) {
    if (await canConnect(port)) return true
    await pause(50)
  }
  return false
}
