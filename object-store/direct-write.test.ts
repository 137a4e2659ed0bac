import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import { DirectWriter } from './direct-write.ts'
import { filesystemStore } from './filesystem.ts'

const KIBIBYTE = 1024
const MEMORY_FOLDER = '/dev/shm'
const testIf = (isPossible: boolean): typeof test =>
  isPossible ? test : (test.skip as typeof test)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'direct-write-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** A body of `sizeBytes` in pieces of all sizes and alignments. */
function bodyOf(sizeBytes: number, seed: number): Buffer[] {
  const random = seededRandom(seed)
  const pieces: Buffer[] = [random.bytes(64)]
  for (let left = sizeBytes - 64; left > 0; ) {
    const length = Math.min(left, 1 + random.below(90 * KIBIBYTE))
    pieces.push(Buffer.alloc(length, seed + pieces.length))
    left -= length
  }
  return pieces
}

describe('bodies written past the page cache', () => {
  const around = (bytes: number): number[] => [bytes - 1, bytes, bytes + 1]
  test.each([
    ...around(128 * KIBIBYTE),
    ...around(2048 * KIBIBYTE),
    ...around(4096 * KIBIBYTE + 512),
  ])('%i bytes are read back as they are', async (sizeBytes) => {
    const store = await filesystemStore({ folder })
    const body = bodyOf(sizeBytes, sizeBytes % 97)
    expect(await store.putIfAbsent(`d/${sizeBytes}`, body)).toBe('created')
    const read = await store.get(`d/${sizeBytes}`)
    expect(read?.equals(Buffer.concat(body))).toBe(true)
    expect(await store.putIfAbsent(`d/${sizeBytes}`, body)).toBe('exists')
  })

  test('more at once than there is memory for all get through, each with its own bytes', async () => {
    const store = await filesystemStore({ folder })
    const bodies = Array.from({ length: 20 }, (_, i) => bodyOf(3000 * KIBIBYTE + i, i))
    await Promise.all(bodies.map((body, i) => store.putIfAbsent(`many/${i}`, body)))
    for (const [i, body] of bodies.entries()) {
      expect((await store.get(`many/${i}`))?.equals(Buffer.concat(body))).toBe(true)
    }
  })

  test('a file that is there is not written over', async () => {
    const writer = new DirectWriter()
    const target = join(folder, 'twice')
    const handle = await writer.write(target, bodyOf(200 * KIBIBYTE, 1))
    await handle?.close()
    await expect(writer.write(target, bodyOf(200 * KIBIBYTE, 2))).rejects.toMatchObject({
      code: 'EEXIST',
    })
  })

  // A memory file system has no device to be direct with; older kernels refuse it there.
  testIf(existsSync(MEMORY_FOLDER))('a memory file system gets its objects', async () => {
    const memoryFolder = mkdtempSync(join(MEMORY_FOLDER, 'direct-write-'))
    try {
      const store = await filesystemStore({ folder: memoryFolder })
      const body = bodyOf(300 * KIBIBYTE, 3)
      expect(await store.putIfAbsent('a/b', body)).toBe('created')
      expect((await store.get('a/b'))?.equals(Buffer.concat(body))).toBe(true)
    } finally {
      rmSync(memoryFolder, { recursive: true, force: true })
    }
  })
})
