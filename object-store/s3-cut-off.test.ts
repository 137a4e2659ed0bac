import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { s3Store } from './s3.ts'
import type { S3Server } from './testing/s3-servers.ts'
import { BUILD_MS_MAX, startMinio, startVersitygw } from './testing/s3-servers.ts'

const closers: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

describe.each([
  ['versitygw', startVersitygw],
  ['MinIO', startMinio],
])('an upload to %s', (_, startServer) => {
  let server: S3Server

  beforeAll(async () => {
    server = await startServer()
  }, BUILD_MS_MAX)
  afterAll(() => server?.stop())

  /** Passes everything on to the server, until `bytesMax` of a connection: then it hangs up. */
  async function cuttingProxy(bytesMax: number, how: 'end' | 'reset'): Promise<string> {
    const proxy = createServer((near) => {
      const far = connect(Number(new URL(server.endpoint).port), '127.0.0.1')
      let passed = 0
      near.on('data', (chunk) => {
        if (passed >= bytesMax) return
        far.write((chunk as Buffer).subarray(0, bytesMax - passed))
        passed += chunk.length
        if (passed < bytesMax) return
        if (how === 'end') far.end()
        else setTimeout(() => far.resetAndDestroy(), 20)
        near.destroy()
      })
      far.on('data', (chunk) => near.write(chunk))
      near.on('error', () => {}).on('close', () => far.end())
      far.on('error', () => {}).on('close', () => near.destroy())
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    closers.push(() => proxy.close())
    return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  }

  test.each(['end', 'reset'] as const)('cut off by %s leaves no object', async (how) => {
    const { bucket } = server
    const common = { bucket, credentials: server.credentials, prefix: how }
    const direct = await s3Store({ ...common, endpoint: server.endpoint })
    closers.push(() => direct.close())
    const body = [Buffer.alloc(1_048_576, 'a'), Buffer.alloc(3_145_728, 'b')]
    for (const bytesMax of [2_000, 500_000, 2_097_152, 4_194_304]) {
      const endpoint = await cuttingProxy(bytesMax, how)
      const cut = await s3Store({ ...common, endpoint })
      closers.push(() => cut.close())
      const key = `cut-at-${bytesMax}`
      await expect(cut.putIfAbsent(key, body)).rejects.toMatchObject({ kind: 'unknown' })
      await pause(100)
      expect(await direct.get(key)).toBeNull()
      expect(await direct.putIfAbsent(key, body)).toBe('created')
      expect((await direct.get(key))?.equals(Buffer.concat(body))).toBe(true)
    }
    expect(await direct.list({ prefix: '' })).toHaveLength(4)
  })
})
