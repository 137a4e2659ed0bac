import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { accepts } from '../../base/testing/accepts.ts'

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resolves once somebody listens on `port`; false when `isGone` says so first, or time is up. */
export async function whenListening(
  port: number,
  isGone: () => boolean,
  timeoutMs: number,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs
  while (performance.now() < endMs && !isGone()) {
    if (await accepts({ host: '127.0.0.1', port })) return true
    await pause(50)
  }
  return false
}
