import { systemClock } from '../../../base/clock.ts'
import { apis } from '../../../broker/protocol/api-keys.ts'
import type { Condition, StreamClusterStatus } from '../../../operator/api/stream-cluster-status.ts'
import { s3Url } from '../../../operator/api/store-url.ts'
import { KubeClient } from '../../../operator/kube/client.ts'
import { kubeAccess } from '../../../operator/kube/kube-config.ts'
import { kinds, type KubeObject } from '../../../operator/kube/objects.ts'
import { streamClusterKind } from '../../../operator/stream-cluster/kinds.ts'
import { until } from '../../lib/wait.ts'
import { WireClient } from '../../lib/wire-client.ts'
import { CHART, helm } from './chart.ts'
import { KubernetesCluster } from './kubernetes-cluster.ts'
import { REPOSITORY } from './layout.ts'
import { BUCKET, CREDENTIALS, S3Server } from './s3-server.ts'
import { Spectator } from './spectator.ts'

/** Where the operator runs, and one of the two namespaces whose StreamClusters it obeys. */
export const NAMESPACE = 'streams'
export const OTHER_NAMESPACE = 'others'
const RELEASE = 'op'
export const OPERATOR = `${RELEASE}-streamcluster-operator`
const SECRET = 'store-access'
/** Of a hook: the first start builds the image, and on a new machine Kubernetes itself. */
export const START_MS_MAX = 20 * 60_000
const SETTLED_MS_MAX = 120_000

export interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string
    readonly containers?: readonly { readonly image: string }[]
  }
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly containerStatuses?: readonly { readonly state: { readonly running?: object } }[]
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

interface StreamClusterObject extends KubeObject {
  readonly spec: { readonly replicas?: number }
  readonly status?: StreamClusterStatus
}

type Spec = Readonly<Record<string, unknown>>

/**
 * The whole product on a real Kubernetes: the operator from its chart and its image, with the rights
 * that the chart grants and no others, and an S3 server for its clusters.
 */
export class Product {
  readonly kube: KubernetesCluster
  readonly s3: S3Server
  readonly client: KubeClient

  private constructor(kube: KubernetesCluster, s3: S3Server, client: KubeClient) {
    this.kube = kube
    this.s3 = s3
    this.client = client
  }

  static async start(): Promise<Product> {
    const kube = await KubernetesCluster.start()
    try {
      await kube.importOwnImage()
      const s3 = await S3Server.start()
      const access = await kubeAccess({
        ...{ clock: systemClock, environment: {}, kubeConfigPath: kube.kubeconfig },
      })
      const client = new KubeClient({ access, clock: systemClock, fieldManager: 'e2e' })
      const product = new Product(kube, s3, client)
      await product.installAll()
      return product
    } catch (error) {
      await kube.stop()
      throw error
    }
  }

  private async installAll(): Promise<void> {
    await this.kube.kubectl('apply', '--server-side', '-k', `${REPOSITORY}/crds`)
    for (const namespace of [NAMESPACE, OTHER_NAMESPACE]) await this.addNamespace(namespace)
    await this.install()
  }

  /** A namespace with what StreamClusters in it need. */
  async addNamespace(namespace: string): Promise<void> {
    await this.kube.kubectl('create', 'namespace', namespace)
    await this.addCredentials(namespace)
  }

  /** Those that StreamClusters of {@link manifest} name. */
  addCredentials(namespace: string): Promise<void> {
    return this.addSecret(SECRET, namespace, CREDENTIALS)
  }

  /** Installs the operator, or upgrades it, with more of the chart's values as `name=value`. */
  async install(...more: string[]): Promise<void> {
    const { kube } = this
    const values = [
      'metricsApi.enabled=true',
      `watch.namespaces={${NAMESPACE},${OTHER_NAMESPACE}}`,
      ...more,
    ]
    helm(
      ...['upgrade', '--install', RELEASE, CHART, '--kubeconfig', kube.kubeconfig],
      ...['--namespace', NAMESPACE, ...values.flatMap((value) => ['--set', value])],
    )
    await kube.kubectl(
      ...['rollout', 'status', `deployment/${OPERATOR}`, '-n', NAMESPACE, '--timeout=120s'],
    )
  }

  /** Credentials of the S3 server, or others. */
  async addSecret(
    name: string,
    namespace: string,
    credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  ): Promise<void> {
    const { accessKeyId, secretAccessKey } = credentials
    await this.kube.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      stringData: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    })
  }

  /** A StreamCluster in the S3 server's bucket, under its own name; `spec` is laid over that. */
  manifest(name: string, spec: Spec = {}, namespace = NAMESPACE): KubeObject {
    const { endpoint } = this.s3
    const s3 = {
      ...{ bucket: BUCKET, prefix: `${namespace}-${name}`, endpoint, region: 'us-east-1' },
      credentialsSecretRef: { name: SECRET },
    }
    const { apiVersion, kind } = streamClusterKind
    return { apiVersion, kind, metadata: { name, namespace }, spec: { storage: { s3 }, ...spec } }
  }

  async apply(name: string, spec: Spec = {}, namespace = NAMESPACE): Promise<void> {
    await this.kube.apply(this.manifest(name, spec, namespace))
  }

  async find(name: string, namespace = NAMESPACE): Promise<StreamClusterObject | null> {
    const where = { namespace, name }
    const found = await this.client.get<StreamClusterObject>(streamClusterKind, where)
    if (found.ok) return found.value
    if (found.failure.status === 404) return null
    throw new Error(found.failure.message)
  }

  async condition(name: string, type: string, namespace = NAMESPACE): Promise<Condition | null> {
    const found = await this.find(name, namespace)
    return found?.status?.conditions?.find((each) => each.type === type) ?? null
  }

  /** Resolves once the operator has nothing more to do and `replicas` brokers serve. */
  async settled(name: string, replicas: number, namespace = NAMESPACE): Promise<void> {
    let last: StreamClusterObject | null = null
    const isSettled = async (): Promise<boolean> => {
      last = await this.find(name, namespace)
      const { status, metadata } = last ?? { metadata: {} }
      if (status?.observedGeneration !== metadata.generation) return false
      const holds = (type: string, value: string): boolean =>
        status?.conditions?.some((each) => each.type === type && each.status === value) ?? false
      if (!holds('Ready', 'True') || !holds('Reconciling', 'False')) return false
      return status?.readyReplicas === replicas && holds('Balanced', 'True')
    }
    try {
      await until(`${name} is settled at ${replicas}`, isSettled, SETTLED_MS_MAX)
    } catch (error) {
      const status = JSON.stringify((last as StreamClusterObject | null)?.status)
      throw new Error(`${(error as Error).message}: ${status}`)
    }
  }

  /** Why there were Events about a StreamCluster; each as often as it was told. */
  async eventReasons(name: string, namespace = NAMESPACE): Promise<string[]> {
    const list = await this.kube.get<{ items: { reason: string }[] }>(
      ...['events', '-n', namespace, '--field-selector', `involvedObject.name=${name}`],
    )
    return list.items.map(({ reason }) => reason)
  }

  /** Its brokers' pods, those that are ending too. */
  async pods(name: string, namespace = NAMESPACE): Promise<Pod[]> {
    return this.podsWith(`streamcluster.io/cluster=${name}`, namespace)
  }

  /** How many pods its Deployment asks for. */
  async ordered(name: string, namespace = NAMESPACE): Promise<number> {
    const where = { namespace, name }
    const found = await this.client.get<KubeObject & { spec: { replicas: number } }>(
      kinds.deployment,
      where,
    )
    if (!found.ok) throw new Error(found.failure.message)
    return found.value.spec.replicas
  }

  async operatorPods(): Promise<Pod[]> {
    return this.podsWith('app.kubernetes.io/name=streamcluster-operator', NAMESPACE)
  }

  private async podsWith(labelSelector: string, namespace: string): Promise<Pod[]> {
    const found = await this.client.list<Pod>(kinds.pod, { namespace, labelSelector })
    if (!found.ok) throw new Error(found.failure.message)
    return found.value.items
  }

  /** Writes the scale subresource, as autoscalers do. */
  async scale(name: string, replicas: number, namespace = NAMESPACE): Promise<void> {
    const where = { namespace, name }
    const patch = { spec: { replicas } }
    const options = { subresource: 'scale' }
    const patched = await this.client.mergePatch(streamClusterKind, where, patch, options)
    if (!patched.ok) throw new Error(patched.failure.message)
  }

  /** The address of the Service that clients begin at. */
  async bootstrap(name: string, namespace = NAMESPACE, service = 'bootstrap'): Promise<string[]> {
    const found = await this.kube.get<{
      spec: { clusterIP: string; ports: { port: number }[] }
    }>('service', `${name}-${service}`, '-n', namespace)
    return [`${found.spec.clusterIP}:${found.spec.ports[0]?.port}`]
  }

  async createTopic(bootstrap: readonly string[], name: string, partitions: number): Promise<void> {
    const [host = '', port = ''] = (bootstrap[0] ?? '').split(':')
    const client = await WireClient.connect(Number(port), host)
    try {
      const { topics } = await client.request(apis.createTopics, 5, {
        topics: [
          { name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] },
        ],
        timeoutMs: 10_000,
        validateOnly: false,
      })
      const code = topics[0]?.errorCode
      if (code !== 0) throw new Error(`topic ${name} cannot be created: error ${code}`)
    } finally {
      client.close()
    }
  }

  /** Where a cluster that {@link manifest} describes keeps everything. */
  storeUrl(name: string, namespace = NAMESPACE): string {
    const { endpoint } = this.s3
    return s3Url({ bucket: BUCKET, prefix: `${namespace}-${name}`, endpoint, region: 'us-east-1' })
  }

  /** Watches the ownership map of such a cluster. */
  spectator(name: string, namespace = NAMESPACE): Promise<Spectator> {
    return Spectator.open(this.storeUrl(name, namespace), CREDENTIALS)
  }

  /** Deletes it and waits until nothing of it is left in Kubernetes. */
  async remove(name: string, namespace = NAMESPACE): Promise<void> {
    await this.kube.kubectl('delete', 'stc', name, '-n', namespace, '--timeout=120s')
    const gone = async (): Promise<boolean> => (await this.leftovers(name, namespace)) === ''
    await until(`nothing of ${name} is left`, gone, SETTLED_MS_MAX)
  }

  /** Names of everything that belongs to a cluster. */
  async leftovers(name: string, namespace = NAMESPACE): Promise<string> {
    const types = 'deploy,rs,pods,svc,cm,sa,pdb,hpa,netpol,stc'
    const selector = `streamcluster.io/cluster=${name}`
    return this.kube.kubectl('get', types, '-n', namespace, '-l', selector, '-o', 'name')
  }

  async stop(): Promise<void> {
    this.client.close()
    await this.kube.stop()
    await this.s3.breakDown()
  }
}

/** Whether a pod serves, by its readiness probe. */
export function isReady({ status }: Pod): boolean {
  return (
    status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false
  )
}
