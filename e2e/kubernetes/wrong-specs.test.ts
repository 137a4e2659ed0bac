import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Condition } from '../../operator/api/stream-cluster-status.ts'
import { until } from '../lib/wait.ts'
import { NAMESPACE, OTHER_NAMESPACE, Product, START_MS_MAX } from './lib/product.ts'
import { CREDENTIALS, startUnfitStore, UNFIT_CREDENTIALS } from './lib/s3-server.ts'

const TEST_MS_MAX = 2 * 60_000

let product: Product
let unfit: Awaited<ReturnType<typeof startUnfitStore>>
beforeAll(async () => {
  product = await Product.start()
  unfit = await startUnfitStore()
  await product.addSecret('wrong-key', NAMESPACE, { accessKeyId: 'x', secretAccessKey: 'y' })
  await product.addSecret('s3rver', NAMESPACE, UNFIT_CREDENTIALS)
}, START_MS_MAX)
afterAll(async () => {
  await unfit?.stop()
  await product?.stop()
}, 60_000)

/** `spec.storage` of a manifest, with a change. */
function storageWith(change: object): { readonly storage: { readonly s3: object } } {
  const { storage } = product.manifest('x').spec as { storage: { s3: object } }
  return { storage: { s3: { ...storage.s3, prefix: 'wrong', ...change } } }
}

function patchStorage(name: string, storage: object): Promise<string> {
  const patch = JSON.stringify({ spec: { storage } })
  return product.kube.kubectl('patch', 'stc', name, '-n', NAMESPACE, '--type=merge', '-p', patch)
}

describe('by the API server, before anything is done', () => {
  const two = (port: number): object[] => [
    { name: 'a', port: 9092, type: 'internal' },
    { name: 'b', port, type: 'internal' },
  ]
  const metric = { name: 'streamcluster_requests_per_second' }
  const target = { type: 'AverageValue', averageValue: '1k' }
  const metrics = [{ type: 'Pods', pods: { metric, target } }]
  test.each([
    ['two listeners with one port', { listeners: two(9092) }, 'ports of listeners must differ'],
    ['the brokers’ own port', { listeners: two(9644) }, "port 9644 is the brokers' own"],
    [
      'more at least than at most',
      { autoscaling: { minReplicas: 3, maxReplicas: 2, metrics } },
      'minReplicas must not be more than maxReplicas',
    ],
    ['no store', { storage: {} }, 'storage must have exactly one of s3 and volume'],
    [
      'TLS without a certificate',
      { listeners: [{ name: 'a', port: 9092, type: 'internal', tls: true }] },
      'certificateSecretRef must be given if tls is true',
    ],
    ['a field that is not known', { replica: 3 }, 'unknown field "replica"'],
    ['no broker at all', { replicas: 0 }, 'should be greater than or equal to 1'],
  ])('%s', async (_, spec, words) => {
    await expect(product.apply('wrong', spec)).rejects.toThrow(words)
  })

  const volume = { claimName: 'claim', path: 'a' }
  test.each([
    ['another bucket than at first', null, { bucket: 'another' }, 'bucket cannot change'],
    ['another prefix', null, { prefix: 'another' }, 'prefix cannot change'],
    ['no prefix any more', null, { prefix: null }, 'prefix cannot change'],
    ['another claim', volume, { claimName: 'another' }, 'claimName cannot change'],
    ['another folder', volume, { path: 'b' }, 'path cannot change'],
    ['no folder any more', volume, { path: null }, 'path cannot change'],
  ])('%s', async (_, first, change, words) => {
    const storage = first === null ? {} : { storage: { volume: first } }
    await product.apply('moved', { ...storage, paused: true })
    const kind = first === null ? 's3' : 'volume'
    await expect(patchStorage('moved', { [kind]: change })).rejects.toThrow(words)
    await product.remove('moved')
  })

  test('another kind of storage', async () => {
    await product.apply('moved', { paused: true })
    const words = 'storage cannot change from one kind to the other'
    await expect(patchStorage('moved', { s3: null, volume })).rejects.toThrow(words)
    await product.remove('moved')
  })
})

/** Resolves with what it says, once it says that it is stalled. */
function stalledOf(name: string, namespace = NAMESPACE): Promise<Condition> {
  return until(`${name} says that it is stalled`, async () => {
    const condition = await product.condition(name, 'Stalled', namespace)
    return condition?.status === 'True' ? condition : null
  })
}

describe('by the status, which says what to do', () => {
  test.each([
    [
      'a Secret that is not there',
      () => storageWith({ credentialsSecretRef: { name: 'nobody' } }),
      /Secret nobody/,
    ],
    [
      'credentials that the store does not take',
      () => storageWith({ credentialsSecretRef: { name: 'wrong-key' } }),
      /credentials/i,
    ],
    ['a bucket that is not there', () => storageWith({ bucket: 'no-bucket' }), /no-bucket/],
    [
      'a store that ignores conditions',
      () => storageWith({ endpoint: unfit.endpoint, credentialsSecretRef: { name: 's3rver' } }),
      /If-None-Match/,
    ],
    [
      'a certificate that is not there',
      () => ({
        listeners: [...[{ name: 'a', port: 9092, type: 'internal', tls: true }]].map((each) => ({
          ...each,
          certificateSecretRef: { name: 'no-certificate' },
        })),
      }),
      /no-certificate/,
    ],
  ])(
    '%s',
    async (_, specOf, words) => {
      await product.apply('stuck', specOf())
      const stalled = await stalledOf('stuck')
      expect(stalled.message).toMatch(words)
      await until('an Event says so too', async () => {
        return (await product.eventReasons('stuck')).includes('Stalled')
      })
      expect(await product.pods('stuck')).toEqual([])
      await product.remove('stuck')
    },
    TEST_MS_MAX,
  )

  test(
    'a template that Kubernetes does not take',
    async () => {
      const resources = { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } }
      const template = { pod: { spec: { containers: [{ name: 'broker', resources }] } } }
      await product.apply('refused', { replicas: 1, template })
      const stalled = await stalledOf('refused')
      expect(stalled.reason).toBe('ApplyFailed')
      expect(stalled.message).toMatch(/Deployment refused cannot be applied: .*memory/)
      await product.apply('refused', { replicas: 1 })
      await product.settled('refused', 1)
      await product.remove('refused')
    },
    TEST_MS_MAX,
  )

  test(
    'pods that the namespace has no room for',
    async () => {
      const quota = {
        ...{ apiVersion: 'v1', kind: 'ResourceQuota' },
        metadata: { name: 'none', namespace: OTHER_NAMESPACE },
        spec: { hard: { pods: '0' } },
      }
      await product.kube.apply(quota)
      await product.apply('crowded', { replicas: 1 }, OTHER_NAMESPACE)
      const stalled = await stalledOf('crowded', OTHER_NAMESPACE)
      expect(stalled.reason).toBe('RolloutFailed')
      expect(stalled.message).toMatch(/quota/)
      await product.kube.kubectl('delete', 'resourcequota', 'none', '-n', OTHER_NAMESPACE)
      await product.settled('crowded', 1, OTHER_NAMESPACE)
      await product.remove('crowded', OTHER_NAMESPACE)
    },
    TEST_MS_MAX,
  )

  test(
    'what is mended is seen: a Secret that comes later',
    async () => {
      const change = { credentialsSecretRef: { name: 'late' }, prefix: 'late' }
      await product.apply('patient', { replicas: 1, ...storageWith(change) })
      await stalledOf('patient')
      await product.addSecret('late', NAMESPACE, CREDENTIALS)
      await product.settled('patient', 1)
      await product.remove('patient')
    },
    TEST_MS_MAX,
  )
})
