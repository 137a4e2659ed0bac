import { execFile } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openStore, parseS3Url } from './open.ts'

let folder: string
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'streamcluster-open-')))
})
afterAll(() => rm(folder, { recursive: true }))

describe('what can be opened', () => {
  test('memory', async () => {
    expect((await openStore('memory:')).description).toBe('memory:')
  })

  test('a folder, as a path or a file URL', async () => {
    expect((await openStore(`${folder}/a b`)).description).toBe(`${folder}/a b`)
    expect((await openStore(`file://${folder}/a%20b`)).description).toBe(`${folder}/a b`)
    const relative = join('.cache', 'open-test')
    const store = await openStore(relative)
    expect(store.description).toBe(join(process.cwd(), relative))
    await rm(store.description, { recursive: true })
  })

  test('a bucket', async () => {
    expect(parseS3Url('s3://bucket')).toMatchObject({ bucket: 'bucket', prefix: '' })
    expect(parseS3Url('s3://bucket/a/b%20c/')).toMatchObject({ bucket: 'bucket', prefix: 'a/b c' })
    const url = 's3://my.bucket/x?endpoint=http://127.0.0.1:7070&region=local&pathStyle=false'
    expect(parseS3Url(url)).toEqual({
      bucket: 'my.bucket',
      prefix: 'x',
      endpoint: 'http://127.0.0.1:7070',
      region: 'local',
      forcePathStyle: false,
    })
    const store = await openStore(url)
    expect(store.description).toBe('s3://my.bucket/x at http://127.0.0.1:7070')
    await store.close()
  })
})

const refused: [string, RegExp][] = [
  ['', /no known kind.*s3:\/\/bucket/],
  ['gs://bucket', /no known kind/],
  ['s3:bucket', /no known kind/],
  ['https://s3.example.com/bucket', /s3:\/\/bucket\/prefix\?endpoint=https:\/\/s3\.example/],
  ['file://relative/path', /three slashes/],
  ['file:/one/slash', /three slashes/],
  ['s3://', /cannot be understood|names no bucket/],
  ['s3:///prefix', /names no bucket/],
  ['s3://host:9000/bucket', /\?endpoint=http/],
  ['s3://bucket/a//b', /empty part/],
  ['s3://bucket/.hidden', /begins with a dot/],
  ['s3://bucket?endpiont=http://x', /parameter 'endpiont'; known are endpoint, region/],
  ['s3://bucket?endpoint=127.0.0.1:7070', /must begin with http/],
  ['s3://bucket?pathStyle=yes', /true or false/],
]

test.each(refused)('%j is refused with words that help', async (url, words) => {
  await expect(openStore(url)).rejects.toMatchObject({
    name: 'StoreError',
    kind: 'misconfigured',
    message: expect.stringMatching(words),
  })
})

test('credentials in a URL are refused and not repeated', async () => {
  const opening = openStore('s3://key:hunter2@bucket')
  await expect(opening).rejects.toMatchObject({ kind: 'misconfigured' })
  const error = await opening.catch((thrown: Error) => thrown)
  const { message } = error as Error
  expect(message).toMatch(/AWS_SECRET_ACCESS_KEY/)
  expect(message).not.toMatch(/hunter2/)
})

test('a broker on a file system does not load the AWS SDK', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    const seen = []
    registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) })
    const { openStore } = await import(process.argv[1])
    const store = await openStore(process.argv[2])
    await store.putIfAbsent('k', [Buffer.from('x')])
    const before = seen.filter((name) => name.includes('@aws-sdk'))
    await openStore('s3://bucket?region=r')
    const after = seen.filter((name) => name.includes('@aws-sdk'))
    console.log(JSON.stringify([before.length, after.length > 0]))`
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--no-warnings', '--input-type=module', '--eval', script],
    ...[fileURLToPath(new URL('open.ts', import.meta.url)), join(folder, 'child')],
  ])
  expect(JSON.parse(stdout)).toEqual([0, true])
})
