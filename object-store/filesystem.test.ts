import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { crc32c } from '../base/crc32c.ts'
import { seededRandom } from '../base/random.ts'
import { filesystemStore } from './filesystem.ts'
import { filesystemError } from './filesystem-errors.ts'
import { foldersBelow } from './filesystem-folders.ts'
import type { ObjectStore } from './store.ts'

let folder: string
let store: ObjectStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'streamcluster-folder-'))
  store = await filesystemStore({ folder })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const words = [Buffer.from('words')]
const temporaries = () => readdir(join(folder, '.tmp'))

describe('temporary files', () => {
  test('go, whether a create wins, loses, or fails', async () => {
    await store.putIfAbsent('a/b', words)
    await store.putIfAbsent('a/b', words)
    await expect(store.putIfAbsent('a/b/c', words)).rejects.toMatchObject({ kind: 'misconfigured' })
    await writeFile(join(folder, 'file'), '')
    await expect(store.putIfAbsent('file/c', words)).rejects.toMatchObject({
      kind: 'misconfigured',
      key: 'file/c',
    })
    expect(await temporaries()).toEqual([])
  })

  test('of the dead go at the start, those of the living stay', async () => {
    const old = Date.now() / 1_000 - 25 * 3_600
    await writeFile(join(folder, '.tmp/dead'), 'x')
    await utimes(join(folder, '.tmp/dead'), old, old)
    await writeFile(join(folder, '.tmp/alive'), 'x')
    await filesystemStore({ folder })
    expect(await temporaries()).toEqual(['alive'])
  })

  test('of two processes never meet', async () => {
    const others = await Promise.all(Array.from({ length: 4 }, () => filesystemStore({ folder })))
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(
        others.map((other, index) => other.putIfAbsent(`r/${round}`, [Buffer.from([index])])),
      )
      const winner = answers.indexOf('created')
      expect(answers.filter((answer) => answer === 'created')).toHaveLength(1)
      expect(await store.get(`r/${round}`)).toEqual(Buffer.from([winner]))
    }
  })
})

test('a folder that somebody removes is made again', async () => {
  await store.putIfAbsent('a/b/c', words)
  await rm(join(folder, 'a'), { recursive: true })
  expect(await store.putIfAbsent('a/b/c', words)).toBe('created')
  expect(await store.get('a/b/c')).toEqual(words[0])
})

test('what is no object of ours is neither listed nor read', async () => {
  await store.putIfAbsent('a/b', words)
  await mkdir(join(folder, 'lost+found'))
  await mkdir(join(folder, 'a/empty/folder'), { recursive: true })
  await writeFile(join(folder, 'a/.nfs0001'), 'x')
  await writeFile(join(folder, 'lost+found/x'), 'x')
  await symlink(folder, join(folder, 'a/link'))
  expect(await store.list({ prefix: '' })).toEqual([{ key: 'a/b', sizeBytes: 5 }])
  expect(await store.list({ prefix: '', limit: 1 })).toHaveLength(1)
  expect(await store.list({ prefix: 'a/b/' })).toEqual([])
  expect(await store.get('a/empty')).toBeNull()
})

test('a page is full even when folders and files before it are empty or gone', async () => {
  for (let index = 0; index < 50; index++) {
    await mkdir(join(folder, 'p', String(index).padStart(3, '0')), { recursive: true })
  }
  await store.putIfAbsent('p/049/a', words)
  await store.putIfAbsent('p/zzz', words)
  const listed = await store.list({ prefix: 'p/', limit: 2 })
  expect(listed.map(({ key }) => key)).toEqual(['p/049/a', 'p/zzz'])
})

/** Writes objects for ever: 4 MiB in pieces, the last four bytes are the CRC32C of the others. */
const WRITER = `
  import { randomBytes } from 'node:crypto'
  const { filesystemStore } = await import(process.argv[1] + 'object-store/filesystem.ts')
  const { crc32c } = await import(process.argv[1] + 'base/crc32c.ts')
  const store = await filesystemStore({ folder: process.argv[2] })
  console.log('ready')
  for (let index = 0; ; index++) {
    const bytes = randomBytes(4_194_304)
    bytes.writeUInt32BE(crc32c(bytes.subarray(0, -4)), bytes.length - 4)
    const pieces = []
    for (let at = 0; at < bytes.length; at += 10_000) pieces.push(bytes.subarray(at, at + 10_000))
    await store.putIfAbsent('w/' + process.pid + '-' + index, pieces)
  }`

test('a writer killed at any moment leaves whole objects or none', async () => {
  const random = seededRandom(5)
  const module = fileURLToPath(new URL('..', import.meta.url))
  for (let round = 0; round < 6; round++) {
    const child = spawn(
      process.execPath,
      ['--no-warnings', '--input-type=module', '--eval', WRITER, module, folder],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
    await pause(40 + random.below(60))
    expect(child.kill('SIGKILL')).toBe(true)
    await once(child, 'exit')
  }
  const listed = await store.list({ prefix: 'w/' })
  expect(listed.length).toBeGreaterThan(0)
  for (const { key } of listed) {
    const bytes = (await store.get(key)) as Buffer
    expect(bytes.length).toBe(4_194_304)
    expect(crc32c(bytes.subarray(0, -4))).toBe(bytes.readUInt32BE(bytes.length - 4))
  }
})

test('an object is on disk before it has its name, and its name before the put is answered', async () => {
  const path = join(folder, 'w/1')
  const handle = await open(join(folder, 'any'), 'w')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const { datasync, sync } = prototype
  const steps: string[] = []
  const slowly = (name: string, original: () => Promise<void>) =>
    async function (this: FileHandle): Promise<void> {
      const when = existsSync(path) ? 'named' : 'not named yet'
      await original.call(this)
      await pause(20)
      steps.push(`${name}, ${when}`)
    }
  prototype.datasync = slowly('content', datasync)
  prototype.sync = slowly('folder', sync)
  try {
    await store.putIfAbsent('w/0', words)
    steps.length = 0
    await store.putIfAbsent('w/1', words)
    // Who is told that it is there already may find that it is its own.
    await store.putIfAbsent('w/1', words)
  } finally {
    Object.assign(prototype, { datasync, sync })
  }
  expect(steps).toEqual([
    'content, not named yet',
    'folder, named',
    'content, named',
    'folder, named',
  ])
})

describe('folders', () => {
  test('are made with their parents, once, however many ask', async () => {
    const folders = foldersBelow(folder)
    const deep = join(folder, 'x/y/z')
    await Promise.all(Array.from({ length: 10 }, () => folders.ensure(deep)))
    expect(await readdir(join(folder, 'x/y'))).toEqual(['z'])
    await rm(join(folder, 'x'), { recursive: true })
    folders.forget(deep)
    await folders.ensure(deep)
    expect(await readdir(join(folder, 'x/y'))).toEqual(['z'])
  })

  test('that cannot be made are tried again', async () => {
    const folders = foldersBelow(folder)
    await writeFile(join(folder, 'x'), '')
    await expect(folders.ensure(join(folder, 'x/y'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await rm(join(folder, 'x'))
    await folders.ensure(join(folder, 'x/y'))
    expect(await readdir(join(folder, 'x'))).toEqual(['y'])
  })

  test('a sync that fails fails for all who wait for it, and the next one is a new try', async () => {
    const folders = foldersBelow(folder)
    const path = join(folder, 'moved')
    const first = Array.from({ length: 3 }, () => folders.sync(path))
    for (const { status } of await Promise.allSettled(first)) expect(status).toBe('rejected')
    await mkdir(path)
    await Promise.all(Array.from({ length: 3 }, () => folders.sync(path)))
    await rename(path, `${path}-away`)
    await expect(folders.sync(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('errors say what to do', () => {
  const failure = (code: string) => Object.assign(new Error(code), { code })

  test.each([
    ['ENOSPC', 'unavailable', /full.*free or add space/],
    ['EDQUOT', 'unavailable', /quota/],
    ['EMFILE', 'unavailable', /ulimit/],
    ['EROFS', 'misconfigured', /read-only/],
    ['EACCES', 'denied', /read and write access/],
    ['ENOTDIR', 'misconfigured', /folder/],
    ['EIO', 'unavailable', /does not answer/],
  ])('%s before the object can be there is %s', (code, kind, words) => {
    const error = filesystemError(failure(code), '/data', 'k', 'before')
    expect(error).toMatchObject({ kind, key: 'k', message: expect.stringMatching(words) })
    expect(error.message).toContain('/data')
    expect(error.message).toContain(code)
  })

  test.each(['EIO', 'ENOSPC', 'ESTALE', 'EACCES'])(
    '%s once the object may be there is unknown',
    (code) => {
      expect(filesystemError(failure(code), '/d', 'k', 'after').kind).toBe('unknown')
    },
  )

  test('a link that fails for no known reason is unknown', () => {
    expect(filesystemError(failure('EIO'), '/d', 'k', 'link').kind).toBe('unknown')
    expect(filesystemError(failure('ETIMEDOUT'), '/d', 'k', 'link').kind).toBe('unknown')
    expect(filesystemError(failure('ENOSPC'), '/d', 'k', 'link').kind).toBe('unavailable')
  })

  test.each(['EPERM', 'ENOTSUP', 'ENOSYS'])('%s at the link means no hard links', (code) => {
    const error = filesystemError(failure(code), '/d', 'k', 'link')
    expect(error).toMatchObject({ kind: 'misconfigured' })
    expect(error.message).toMatch(/no hard links/)
  })

  test('a bug stays a bug', () => {
    expect(() => filesystemError(new TypeError('x'), '/d', 'k', 'before')).toThrow(TypeError)
  })

  test('a file in the place of the folder', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(filesystemStore({ folder: join(folder, 'file') })).rejects.toMatchObject({
      kind: 'misconfigured',
      message: expect.stringMatching(/give it a folder/),
    })
  })
})
