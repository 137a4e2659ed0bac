import { describe, expect, test } from '@jest/globals'
import { parseS3Url } from '../../object-store/open.ts'
import { streamCluster } from '../api/stream-cluster.ts'
import { localStorageOf } from './storage.ts'

function storageOf(storage: object, data: string | null = null) {
  const cluster = streamCluster.parse({
    apiVersion: 'streamcluster.io/v1alpha1',
    kind: 'StreamCluster',
    metadata: { name: 'dev' },
    spec: { storage },
  })
  const result = localStorageOf(cluster, { data, workingFolder: '/srv/work' })
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

  test('two runs on one bucket and prefix meet in one lock, on another prefix they do not', () => {
    const lockOf = (prefix: string): string =>
      storageOf({ s3: { bucket: 'orders', prefix } }).lockFolder
    expect(lockOf('a')).toBe(lockOf('a/'))
    expect(lockOf('a')).not.toBe(lockOf('b'))
  })
})
