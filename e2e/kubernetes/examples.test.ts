import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { parseDocument } from 'yaml'
import { kinds, nameOfObject } from '../../operator/kube/objects.ts'
import { authority, issued } from '../../operator/testing/certificates.ts'
import { fetchKafkaTools, kafkaTool } from '../lib/kafka-tools.ts'
import { kcat, readTopic } from '../lib/kcat.ts'
import { until } from '../lib/wait.ts'
import { command } from './lib/command.ts'
import { s3Archive } from './lib/images.ts'
import { FOLDER, HOST_ADDRESS, nodePlace, REPOSITORY } from './lib/layout.ts'
import { NAMESPACE, Product, START_MS_MAX } from './lib/product.ts'
import { BUCKET } from './lib/s3-server.ts'

const TEST_MS_MAX = 5 * 60_000
/** Of the image; see scripts/image/contents.ts. */
const USER_ID = 65_532

let product: Product
beforeAll(async () => {
  product = await Product.start()
}, START_MS_MAX)
afterAll(() => product?.stop(), 60_000)

function example(file: string): string {
  return readFileSync(join(REPOSITORY, 'examples', file), 'utf8')
}

/** What a storage class would make: a folder of this machine, which all nodes have in common. */
async function addVolume(name: string, accessMode: string): Promise<void> {
  const path = join(FOLDER, name)
  mkdirSync(path, { recursive: true })
  chownSync(path, USER_ID, USER_ID)
  await product.kube.apply({
    ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name } },
    spec: { capacity: { storage: '10Gi' }, accessModes: [accessMode], hostPath: { path } },
  })
}

test(
  'minimal.yaml, with s3-server.yaml beside it',
  async () => {
    await product.kube.importImage((await s3Archive()).archive)
    await addVolume('volume', 'ReadWriteOnce')
    await product.kube.applyText(example('kubernetes/s3-server.yaml'))
    await product.kube.kubectl(
      ...['rollout', 'status', 'deployment/s3', '-n', 'storage', '--timeout=120s'],
    )
    await product.kube.applyText(example('kubernetes/minimal.yaml'), NAMESPACE)
    await product.settled('orders', 3)
    const bootstrap = (await product.bootstrap('orders')).join(',')
    const sent = await kcat(['-P', '-b', bootstrap, '-t', 'greetings'], 'hello\n')
    expect(sent).toMatchObject({ code: 0 })
    await product.remove('orders')
  },
  TEST_MS_MAX,
)

test(
  'streamcluster.yaml, as `make run` reads it: brokers on a volume that all of them mount',
  async () => {
    await addVolume('streams', 'ReadWriteMany')
    await product.kube.apply({
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
      metadata: { name: 'streams', namespace: NAMESPACE },
      spec: {
        ...{ accessModes: ['ReadWriteMany'], storageClassName: '', volumeName: 'streams' },
        resources: { requests: { storage: '10Gi' } },
      },
    })
    // Without this the brokers would be led by one of them.
    await product.install('volumeClaims={streams}')
    await product.kube.applyText(example('streamcluster.yaml'), NAMESPACE)
    await product.settled('dev', 1)
    const bootstrap = await product.bootstrap('dev')
    const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index}`)
    const produce = ['-P', '-b', bootstrap.join(','), '-t', 'lines']
    const written = await kcat([...produce, '-X', 'enable.idempotence=true'], lines.join('\n'))
    expect(written).toMatchObject({ code: 0 })
    // The HPA may say otherwise a little later; what the new brokers read is what the first one wrote.
    await product.kube.kubectl(
      ...['patch', 'stc', 'dev', '-n', NAMESPACE, '--type=merge'],
      ...['-p', '{"spec":{"autoscaling":{"minReplicas":3}}}'],
    )
    await product.settled('dev', 3)
    const read = await readTopic(bootstrap, 'lines')
    expect(read.map(({ value }) => value).sort()).toEqual([...lines].sort())
    await product.remove('dev')
    await product.install()
  },
  TEST_MS_MAX,
)

test(
  'deploy/, without Helm: in a namespace where pods must be restricted',
  async () => {
    const namespace = 'streamcluster'
    await product.kube.kubectl('apply', '--server-side', '-k', join(REPOSITORY, 'deploy'))
    await product.kube.kubectl(
      ...['rollout', 'status', 'deployment/streamcluster-operator'],
      ...['-n', namespace, '--timeout=120s'],
    )
    await product.addCredentials(namespace)
    await product.apply('plain', { replicas: 2 }, namespace)
    await product.settled('plain', 2, namespace)
    const bootstrap = await product.bootstrap('plain', namespace)
    const sent = await kcat(['-P', '-b', bootstrap.join(','), '-t', 'greetings'], 'hello\n')
    expect(sent).toMatchObject({ code: 0 })
    expect((await readTopic(bootstrap, 'greetings')).map(({ value }) => value)).toEqual(['hello'])
    await product.remove('plain', namespace)
    await product.kube.kubectl('delete', 'namespace', namespace, '--timeout=60s')
  },
  TEST_MS_MAX,
)

/** Secrets as cert-manager writes them, and the authority that clients trust. */
async function addCertificates(): Promise<string> {
  const folder = join(FOLDER, 'tls')
  mkdirSync(folder)
  const root = authority(folder, 'authority')
  const nodes = product.kube.nodes.map(({ place }) => place.address)
  const inside = ['orders-bootstrap', '*.orders-brokers'].map((name) => `${name}.${NAMESPACE}.svc`)
  for (const [name, hosts] of [
    ['internal', inside],
    ['external', nodes],
  ] as const) {
    const { certFile, keyFile } = issued(folder, root, { file: name, commonName: name, hosts })
    const secret = `orders-${name}-tls`
    await product.kube.kubectl(
      ...['create', 'secret', 'tls', secret, '-n', NAMESPACE],
      ...[`--cert=${certFile}`, `--key=${keyFile}`],
    )
  }
  return root.certFile
}

/** kcat where names are those of the cluster, as in a pod. */
async function kcatInside(args: readonly string[]): Promise<string> {
  const resolver = join(FOLDER, 'resolv.conf')
  writeFileSync(
    resolver,
    `nameserver ${HOST_ADDRESS}\nsearch svc.cluster.local cluster.local\noptions ndots:5\n`,
  )
  const script = `mount --bind ${resolver} /etc/resolv.conf && exec "$@"`
  return command('unshare', ['--mount', 'sh', '-c', script, 'sh', 'kcat', ...args])
}

test(
  'production.yaml: zones, the HPA, and TLS inside and outside',
  async () => {
    const manifest = parseDocument(example('kubernetes/production.yaml'))
    // The store of this machine, which knows no identities of pods, instead of AWS.
    const s3 = ['spec', 'storage', 's3']
    manifest.setIn([...s3, 'bucket'], BUCKET)
    manifest.setIn([...s3, 'endpoint'], product.s3.endpoint)
    manifest.setIn([...s3, 'region'], 'us-east-1')
    manifest.setIn([...s3, 'credentialsSecretRef'], { name: 'store-access' })
    const ca = await addCertificates()
    await product.kube.kubectl('create', 'serviceaccount', 'orders-bucket', '-n', NAMESPACE)
    await product.kube.applyText(manifest.toString(), NAMESPACE)
    await product.settled('orders', 3)
    const zones = (await product.pods('orders')).map(({ spec }) => spec?.nodeName).sort()
    expect(zones).toEqual([0, 1, 2].map((index) => nodePlace(index).name))

    const listeners = (await product.find('orders'))?.status?.listeners ?? []
    const addressOf = (name: string): string =>
      listeners.find((each) => each.name === name)?.bootstrapServers ?? ''
    // What is checked: the certificate's authority, and that it is for the address of each broker.
    const tls = ['-X', 'security.protocol=ssl', '-X', `ssl.ca.location=${ca}`]
    const verified = [...tls, '-X', 'ssl.endpoint.identification.algorithm=https']
    const outside = ['-b', addressOf('external'), ...verified]
    await fetchKafkaTools()
    const config = join(FOLDER, 'tls', 'admin.properties')
    writeFileSync(
      config,
      `security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=${ca}\n`,
    )
    await kafkaTool('TopicCommand', [
      ...['--bootstrap-server', addressOf('external'), '--command-config', config],
      ...['--create', '--topic', 'greetings', '--partitions', '3'],
    ])
    const sent = await kcat(['-P', ...outside, '-t', 'greetings'], 'hello\n')
    expect(sent).toMatchObject({ code: 0 })
    const inside = ['-b', addressOf('internal'), ...verified]
    const read = await kcatInside(['-C', '-e', '-q', ...inside, '-t', 'greetings'])
    expect(read).toBe('hello\n')

    const hpa = await until('the HPA has read its metrics', async () => {
      const found = await product.kube.get<{
        status: { conditions?: { type: string; status: string }[] }
      }>('hpa', 'orders', '-n', NAMESPACE)
      const active = found.status.conditions?.find(({ type }) => type === 'ScalingActive')
      return active?.status === 'True' ? found : null
    })
    expect(hpa).toMatchObject({ status: { currentReplicas: 3, desiredReplicas: 3 } })
    await product.remove('orders')
  },
  TEST_MS_MAX,
)

test(
  'a load balancer for each broker, where the test plays the cloud that gives them addresses',
  async () => {
    let given = 0
    const timer = setInterval(() => void giveAddresses().catch(() => {}), 500)
    /** kube-proxy does the rest: what goes to such an address reaches the Service's pods. */
    const giveAddresses = async (): Promise<void> => {
      const found = await product.client.list(kinds.service, { namespace: NAMESPACE })
      if (!found.ok) return
      for (const service of found.value.items) {
        const { type } = (service.spec ?? {}) as { type?: string }
        const { loadBalancer } = (service.status ?? {}) as { loadBalancer?: { ingress?: object[] } }
        if (type !== 'LoadBalancer' || loadBalancer?.ingress !== undefined) continue
        const status = { loadBalancer: { ingress: [{ ip: `10.231.0.${100 + given++}` }] } }
        const options = { subresource: 'status' }
        await product.client.mergePatch(kinds.service, nameOfObject(service), { status }, options)
      }
    }
    try {
      const listeners = [{ name: 'lb', port: 9092, type: 'loadbalancer' }]
      await product.apply('balanced', { replicas: 2, listeners })
      await product.settled('balanced', 2)
      const [listener] = (await product.find('balanced'))?.status?.listeners ?? []
      const bootstrap = listener?.bootstrapServers ?? ''
      const described = await kcat(['-L', '-b', bootstrap])
      const brokers = described.stdout.match(/broker \d+ at 10\.231\.0\.1\d\d:9092/g) ?? []
      expect(new Set(brokers).size).toBe(2)
      const sent = await kcat(['-P', '-b', bootstrap, '-t', 'greetings'], 'hello\n')
      expect(sent).toMatchObject({ code: 0 })
      await product.remove('balanced')
    } finally {
      clearInterval(timer)
    }
  },
  TEST_MS_MAX,
)
