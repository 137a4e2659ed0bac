import { describe, expect, test } from '@jest/globals'
import { parseS3Url } from '../../object-store/open.ts'
import { streamCluster } from '../api/stream-cluster.ts'
import { localStorageOf } from './storage.ts'

type Environment = Readonly<Record<string, string>>

function resultOf(storage: object, data: string | null, environment: Environment = {}) {
  const cluster = streamCluster.parse({
    apiVersion: 'streamcluster.io/v1alpha1',
    kind: 'StreamCluster',
    metadata: { name: 'dev' },
    spec: { storage },
  })
  return localStorageOf(cluster, { data, workingFolder: '/srv/work', environment })
}

function storageOf(storage: object, data: string | null = null, environment: Environment = {}) {
  const result = resultOf(storage, data, environment)
  if (!result.ok) throw new Error(result.message)
  return result.storage
}

describe('storage of a local run', () => {
  test('a volume is a folder, relative to the working folder', () => {
    expect(storageOf({ volume: { path: './data' } })).toEqual({
      storeUrl: 'file:///srv/work/data/bucket',
      description: '/srv/work/data',
      logFolder: '/srv/work/data/logs',
      lockFolder: '/srv/work/data/lock',
    })
  })

  test('DATA takes the place of the path, also where there was none', () => {
    const folder = '/tmp/with space#1'
    const { storeUrl, description } = storageOf({ volume: { claimName: 'c' } }, folder)
    expect(description).toBe(folder)
    expect(decodeURIComponent(new URL(storeUrl).pathname)).toBe(`${folder}/bucket`)
  })

  test('DATA may be a bucket, whatever the file names', () => {
    const url = 's3://orders/prod'
    expect(storageOf({ volume: { path: './data' } }, url)).toMatchObject({ storeUrl: url })
    expect(storageOf({ s3: { bucket: 'other' } }, url)).toMatchObject({ description: url })
  })

  interface S3 {
    bucket: string
    prefix?: string
    endpoint?: string
    region?: string
  }
  test.each<[S3]>([
    [{ bucket: 'orders' }],
    [{ bucket: 'orders', prefix: 'a/b/' }],
    [{ bucket: 'orders', prefix: 'p', endpoint: 'http://127.0.0.1:9000', region: 'eu-1' }],
  ])('the store understands the URL made of %j', (s3) => {
    const { storeUrl } = storageOf({ s3 })
    expect(parseS3Url(storeUrl)).toMatchObject({
      bucket: 'orders',
      prefix: (s3.prefix ?? '').replace(/\/$/, ''),
      endpoint: s3.endpoint,
      region: s3.region,
    })
  })

  test.each(['/srv/data', 'file:///srv/data', 'file:///srv/data/', '../data', 'FILE:///srv/data'])(
    'DATA=%s is one folder, and has one lock',
    (data) => {
      expect(storageOf({ volume: { path: 'unused' } }, data)).toEqual({
        storeUrl: 'file:///srv/data/bucket',
        description: '/srv/data',
        logFolder: '/srv/data/logs',
        lockFolder: '/srv/data/lock',
      })
    },
  )

  test.each([
    ['file://srv/data', 'three slashes'],
    ['file:data', 'three slashes'],
    ['file:///', 'three slashes'],
    ['gs://bucket/prefix', 'must be a folder'],
    ['http://127.0.0.1:9000/bucket', 'must be a folder'],
    ['memory:', 'must be a folder'],
    ['s3://', 's3://bucket/prefix'],
    ['s3://bucket?endpont=http://x', "parameter 'endpont'"],
    ['s3://bucket//prefix', 'empty part'],
    ['s3://key:secret@bucket', 'may not hold credentials'],
  ])('DATA=%s is refused with words', (data, words) => {
    const result = resultOf({ volume: { path: './data' } }, data)
    expect(result).toMatchObject({ ok: false, message: expect.stringContaining(words) })
  })
})

describe('the lock of a run on a bucket', () => {
  const SERVER = 'http://127.0.0.1:9000'
  const BY_VARIABLE = { AWS_ENDPOINT_URL_S3: SERVER, AWS_ENDPOINT_URL: 'http://other:1' }
  const volume = { volume: { path: 'unused' } }
  const query = `endpoint=${encodeURIComponent(SERVER)}`

  test.each<[string, object, string | null, Environment]>([
    ['by DATA and a variable', volume, 's3://bkt/p', BY_VARIABLE],
    ['with a slash at the end', volume, 's3://bkt/p/', BY_VARIABLE],
    ['by the general variable', volume, 's3://bkt/p', { AWS_ENDPOINT_URL: `${SERVER}/` }],
    ['by a URL with the endpoint', volume, `s3://bkt/p?${query}`, {}],
    ['by a URL that overrides the variables', volume, `s3://bkt/p/?${query}`, BY_VARIABLE],
    ['with what is no part of the place', volume, `s3://bkt/p?region=eu-1&${query}`, {}],
    ['by spec.storage.s3', { s3: { bucket: 'bkt', prefix: 'p', endpoint: SERVER } }, null, {}],
    ['by it and a variable', { s3: { bucket: 'bkt', prefix: 'p/' } }, null, BY_VARIABLE],
  ])('is the same however the place is named: %s', (_, storage, data, environment) => {
    const one = storageOf(volume, `s3://bkt/p?endpoint=${SERVER}`).lockFolder
    expect(storageOf(storage, data, environment).lockFolder).toBe(one)
  })

  test('differs where bucket, prefix or server differ', () => {
    const urls = [
      's3://bkt/p',
      's3://bkt/q',
      's3://bkt',
      's3://pkt/b',
      's3://cup/p',
      `s3://bkt/p?${query}`,
    ]
    const locks = urls.map((url) => storageOf(volume, url).lockFolder)
    expect(new Set(locks).size).toBe(urls.length)
  })
})
