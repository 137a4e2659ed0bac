import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { systemClock } from '../base/clock.ts'
import { seededRandom, systemRandom } from '../base/random.ts'
import { filesystemStore } from './filesystem.ts'
import { instrumented } from './instrumented.ts'
import { memoryStore } from './memory.ts'
import { retrying } from './retrying.ts'
import { s3Store } from './s3.ts'
import type { Body, ObjectStore } from './store.ts'
import { bodyBytes } from './store.ts'
import type { S3Server } from './testing/s3-servers.ts'
import { BUILD_MS_MAX, startMinio, startVersitygw } from './testing/s3-servers.ts'

interface Opened {
  readonly store: ObjectStore
  stop(): Promise<void>
}

async function openFolder(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'streamcluster-store-'))
  const store = await filesystemStore({ folder: join(folder, 'made/by/us') })
  return { store, stop: () => rm(folder, { recursive: true }) }
}

async function openServer(start: () => Promise<S3Server>, prefix: string): Promise<Opened> {
  const server = await start()
  const { bucket, endpoint, credentials } = server
  const store = await s3Store({ bucket, endpoint, credentials, prefix })
  return { store, stop: () => server.stop() }
}

function openDecorated(): Opened {
  const told = instrumented(memoryStore(), { clock: systemClock, onRequest() {} })
  return { store: retrying(told, { clock: systemClock }), stop: async () => {} }
}

const kinds: Record<string, () => Promise<Opened>> = {
  memory: async () => ({ store: memoryStore(), stop: async () => {} }),
  'a decorated store': async () => openDecorated(),
  'a folder': openFolder,
  versitygw: () => openServer(startVersitygw, 'some/cluster'),
  MinIO: () => openServer(startMinio, ''),
}

const text = (words: string): Body => [Buffer.from(words)]

/** `sizeBytes` of noise in `pieces` pieces of uneven length, some of them empty. */
function pieces(count: number, sizeBytes: number): Buffer[] {
  const noise = seededRandom(count)
  const whole = Buffer.alloc(sizeBytes)
  for (let position = 0; position < sizeBytes; position += 61) whole[position] = noise.below(256)
  const cuts = Array.from({ length: count - 1 }, () => noise.below(sizeBytes))
  cuts.push(0, sizeBytes, cuts[0] ?? 0)
  cuts.sort((a, b) => a - b)
  return cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end))
}

async function listAll(store: ObjectStore, prefix: string, limit: number): Promise<string[]> {
  const keys: string[] = []
  for (;;) {
    const page = await store.list({ prefix, startAfter: keys.at(-1), limit })
    keys.push(...page.map(({ key }) => key))
    if (page.length < limit) return keys
  }
}

describe.each(Object.keys(kinds))('%s', (kind) => {
  let opened: Opened
  let store: ObjectStore
  let tests = 0
  let folder = ''

  beforeAll(async () => {
    opened = await (kinds[kind] as () => Promise<Opened>)()
    store = opened.store
  }, BUILD_MS_MAX)

  afterAll(async () => {
    await store?.close()
    await opened?.stop()
  })

  /** A key that no other test uses. */
  function fresh(name: string): string {
    if (name === '') folder = `test-${tests++}/`
    return folder + name
  }

  test('an object is created once and keeps its first bytes', async () => {
    const key = `${fresh('')}object`
    expect(await store.putIfAbsent(key, text('first'))).toBe('created')
    expect(await store.putIfAbsent(key, text('second'))).toBe('exists')
    expect(await store.putIfAbsent(key, text('first'))).toBe('exists')
    expect(String(await store.get(key))).toBe('first')
  })

  test('of 32 creates at once exactly one wins, and its bytes stay', async () => {
    fresh('')
    for (let round = 0; round < 4; round++) {
      const key = fresh(`race-${round}`)
      const bodies = Array.from({ length: 32 }, () => systemRandom.bytes(20_000))
      const answers = await Promise.all(
        bodies.map(async (body) => {
          for (;;) {
            try {
              return await store.putIfAbsent(key, [body.subarray(0, 100), body.subarray(100)])
            } catch (error) {
              // A server may hang up on a loser before it is told that it lost.
              expect((error as { kind: string }).kind).toMatch(/unknown|conflict/)
            }
          }
        }),
      )
      const winners = bodies.filter((_, index) => answers[index] === 'created')
      expect(winners.length).toBe(1)
      expect((await store.get(key))?.equals(winners[0] as Buffer)).toBe(true)
    }
  })

  test('an absent object is null, also below and above an existing one', async () => {
    fresh('')
    expect(await store.get(fresh('absent'))).toBeNull()
    expect(await store.get(fresh('absent'), { start: 0, end: 64 })).toBeNull()
    expect(await store.get(fresh('absent'), { suffixBytes: 64 })).toBeNull()
    await store.putIfAbsent(fresh('folder/object'), text('words'))
    expect(await store.get(fresh('folder'))).toBeNull()
    expect(await store.get(fresh('folder/object/below'))).toBeNull()
  })

  test('a range is clipped to the object', async () => {
    const key = `${fresh('')}object`
    await store.putIfAbsent(key, [Buffer.from('01234'), Buffer.from('56789')])
    const part = async (range: Parameters<ObjectStore['get']>[1]) =>
      String(await store.get(key, range))
    expect(await part({ start: 0, end: 10 })).toBe('0123456789')
    expect(await part({ start: 3, end: 7 })).toBe('3456')
    expect(await part({ start: 8, end: 100 })).toBe('89')
    expect(await part({ start: 10, end: 20 })).toBe('')
    expect(await part({ start: 500, end: 600 })).toBe('')
    expect(await part({ start: 4, end: 4 })).toBe('')
    expect(await part({ suffixBytes: 4 })).toBe('6789')
    expect(await part({ suffixBytes: 10 })).toBe('0123456789')
    expect(await part({ suffixBytes: 11 })).toBe('0123456789')
    expect(await part({ suffixBytes: 0 })).toBe('')
  })

  test('an empty object exists', async () => {
    fresh('')
    for (const [name, body] of [
      ['no-piece', []],
      ['empty-pieces', [Buffer.alloc(0), Buffer.alloc(0)]],
    ] as const) {
      const key = fresh(name)
      expect(await store.putIfAbsent(key, body)).toBe('created')
      expect(await store.putIfAbsent(key, body)).toBe('exists')
      expect(await store.get(key)).toHaveLength(0)
      expect(await store.get(key, { start: 0, end: 64 })).toHaveLength(0)
      expect(await store.get(key, { suffixBytes: 64 })).toHaveLength(0)
      expect(await store.list({ prefix: key })).toEqual([{ key, sizeBytes: 0 }])
    }
  })

  test.each([
    [500, 8 * 1_048_576],
    [2_500, 1_048_576],
  ])('an object of %i pieces comes back whole and in parts', async (count, sizeBytes) => {
    const key = `${fresh('')}large`
    const body = pieces(count, sizeBytes)
    expect(bodyBytes(body)).toBe(sizeBytes)
    expect(await store.putIfAbsent(key, body)).toBe('created')
    const whole = Buffer.concat(body)
    expect((await store.get(key))?.equals(whole)).toBe(true)
    const part = await store.get(key, { start: 300_000, end: 900_001 })
    expect(part?.equals(whole.subarray(300_000, 900_001))).toBe(true)
    const tail = await store.get(key, { suffixBytes: 65_537 })
    expect(tail?.equals(whole.subarray(-65_537))).toBe(true)
  })

  test('a list has all keys of the prefix, in the order of their bytes, page by page', async () => {
    fresh('')
    const names = ['a', 'a-b', 'a/b', 'a/b-c/d', 'a0', 'b/1', 'b/10', 'b/2', 'c/x', 'c/y/z', 'd']
    // S3 would take `a` and `a/b` both; a file system cannot, and we never do.
    const keys = names.filter((name) => name !== 'a' && name !== 'a/b').map(fresh)
    await Promise.all(keys.map((key) => store.putIfAbsent(key, text(key))))
    await store.putIfAbsent(`${folder.slice(0, -1)}-other/a`, text('x'))
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const limit of [1, 2, 3, 1_000]) {
      expect(await listAll(store, folder, limit)).toEqual(keys)
    }
    const listed = await store.list({ prefix: folder })
    expect(listed).toEqual(keys.map((key) => ({ key, sizeBytes: key.length })))
  })

  test('a prefix may end in the middle of a name, and startAfter need not exist', async () => {
    fresh('')
    for (const name of ['wal/09', 'wal/10', 'wal/11', 'wal/20', 'wall/1', 'x']) {
      await store.putIfAbsent(fresh(name), text(name))
    }
    const names = async (prefix: string, startAfter?: string) => {
      const after = startAfter === undefined ? undefined : fresh(startAfter)
      const listed = await store.list({ prefix: fresh(prefix), startAfter: after })
      return listed.map(({ key }) => key.slice(folder.length))
    }
    expect(await names('wal/1')).toEqual(['wal/10', 'wal/11'])
    expect(await names('wal')).toEqual(['wal/09', 'wal/10', 'wal/11', 'wal/20', 'wall/1'])
    expect(await names('wal/', 'wal/10')).toEqual(['wal/11', 'wal/20'])
    expect(await names('wal/', 'wal/105')).toEqual(['wal/11', 'wal/20'])
    expect(await names('wal/', 'wal/2')).toEqual(['wal/20'])
    expect(await names('wal/', 'a')).toEqual(['wal/09', 'wal/10', 'wal/11', 'wal/20'])
    expect(await names('wal/', 'wal/20')).toEqual([])
    expect(await names('wal/', 'x')).toEqual([])
    expect(await names('none/')).toEqual([])
    expect(await names('wal/10/')).toEqual([])
  })

  test('a list goes beyond one page of 1,000', async () => {
    fresh('')
    const keys = Array.from({ length: 1_203 }, (_, index) => fresh(String(index).padStart(20, '0')))
    let next = 0
    const work = async () => {
      while (next < keys.length) await store.putIfAbsent(keys[next++] as string, text('x'))
    }
    await Promise.all(Array.from({ length: 16 }, work))
    expect(await listAll(store, folder, 1_000)).toEqual(keys)
    await store.delete(keys)
    expect(await store.list({ prefix: folder })).toEqual([])
  })

  test('deleted objects are gone, absent ones no error, others stay', async () => {
    fresh('')
    await store.putIfAbsent(fresh('one'), text('1'))
    await store.putIfAbsent(fresh('two/a'), text('2'))
    await store.putIfAbsent(fresh('two/b'), text('3'))
    await store.delete([fresh('one'), fresh('two/a'), fresh('never'), fresh('never/was')])
    expect(await store.get(fresh('one'))).toBeNull()
    expect(await store.list({ prefix: folder })).toEqual([{ key: fresh('two/b'), sizeBytes: 1 }])
    await store.delete([])
    expect(await store.putIfAbsent(fresh('one'), text('again'))).toBe('created')
  })

  test('keys may hold any letters and signs', async () => {
    fresh('')
    const names = [
      'a b',
      'a+b',
      'a%2Fb',
      'a&b=c?d#e',
      'q\'u"o(t)e!*',
      'ü~日本',
      'a:b;c,d@$',
      '^`{|}',
    ]
    for (const name of names) {
      expect(await store.putIfAbsent(fresh(name), text(name))).toBe('created')
      expect(String(await store.get(fresh(name)))).toBe(name)
    }
    const listed = (await store.list({ prefix: folder })).map(({ key }) => key)
    expect(listed.sort()).toEqual(names.map(fresh).sort())
    for (const key of listed) {
      const [next] = await store.list({ prefix: key })
      expect(next?.key).toBe(key)
    }
    await store.delete(listed)
    expect(await store.list({ prefix: folder })).toEqual([])
  })

  test.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', 'a/.tmp', '.tmp/a', 'a\0b'])(
    'the key %j is refused',
    async (key) => {
      const refused = expect.objectContaining({ name: 'InvariantError' })
      await expect(store.putIfAbsent(key, [])).rejects.toEqual(refused)
      await expect(store.get(key)).rejects.toEqual(refused)
      await expect(store.delete([key])).rejects.toEqual(refused)
    },
  )

  test('what is created is read and listed at once, by everybody', async () => {
    fresh('')
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let index = 0; index < 20; index++) {
          const key = fresh(`${worker}/${index}`)
          await store.putIfAbsent(key, text(key))
          expect(String(await store.get(key))).toBe(key)
          const listed = await store.list({ prefix: fresh(`${worker}/`) })
          expect(listed).toContainEqual({ key, sizeBytes: key.length })
          if (index % 4 !== 0) continue
          await store.delete([key])
          expect(await store.get(key)).toBeNull()
        }
      }),
    )
  })

  test('a result is the reader’s own: changing it changes no object', async () => {
    const key = `${fresh('')}object`
    const body = Buffer.from('written')
    await store.putIfAbsent(key, [body])
    body.fill('x')
    ;(await store.get(key))?.fill('y')
    expect(String(await store.get(key))).toBe('written')
  })
})
