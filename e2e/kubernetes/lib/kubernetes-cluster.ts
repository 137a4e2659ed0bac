import { join } from 'node:path'
import { until } from '../../lib/wait.ts'
import { kubeconfigFile, makeCertificates } from './certificates.ts'
import { command } from './command.ts'
import {
  startApiServer,
  startControllerManager,
  startDns,
  startEtcd,
  startProxy,
  startScheduler,
} from './control-plane.ts'
import type { Daemon } from './daemon.ts'
import { imageArchive, pauseArchive } from './images.ts'
import { FOLDER, nodePlace, PROGRAMS } from './layout.ts'
import { releaseMachine, takeMachine } from './leftovers.ts'
import { makeNetwork } from './network.ts'
import { KubernetesNode } from './node.ts'
import { preparePrograms } from './programs.ts'

const NODES_BY_DEFAULT = 3
const READY_POLL_MS_MAX = 60_000

/**
 * A whole Kubernetes on this machine: real etcd, API server, controllers, scheduler, kubelets and
 * containers, nothing simulated but that the nodes share a kernel and its network. Needs root. There
 * is one at a time; whoever starts it stops it. With E2E_KEEP set, its folder is kept.
 */
export class KubernetesCluster {
  readonly kubeconfig = kubeconfigFile('admin')
  readonly nodes: KubernetesNode[] = []
  private readonly daemons: Daemon[] = []
  private readonly archives: string[] = []
  private apiServer: Daemon | null = null
  private etcdUrl = ''

  private constructor() {}

  /** Resolves when all nodes are ready. Builds what is not built, which takes many minutes the first time. */
  static async start({ nodes = NODES_BY_DEFAULT } = {}): Promise<KubernetesCluster> {
    await preparePrograms()
    await takeMachine()
    const cluster = new KubernetesCluster()
    try {
      await cluster.startAll(nodes)
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  private async startAll(count: number): Promise<void> {
    const places = Array.from({ length: count }, (_, index) => nodePlace(index))
    const [first] = places
    if (first === undefined) throw new Error('a cluster has at least one node')
    await Promise.all([makeCertificates(places), makeNetwork(places)])
    const { etcd, url } = await startEtcd()
    this.daemons.push(etcd)
    this.etcdUrl = url
    this.archives.push(await pauseArchive())
    for (const place of places) this.nodes.push(new KubernetesNode(place))
    await Promise.all([this.startApiServer(), ...this.nodes.map((each) => this.load(each))])
    this.daemons.push(startControllerManager(), startScheduler(), await startDns())
    this.daemons.push(await startProxy(first))
    for (const node of this.nodes) node.startKubelet()
    await this.nodesReady()
    await until('the default service account is there', () => this.has('serviceaccount/default'))
  }

  private async load(node: KubernetesNode): Promise<void> {
    await node.containerdReady()
    for (const archive of this.archives) await node.importImage(archive)
  }

  private async has(object: string): Promise<boolean> {
    return (await this.kubectl('get', object, '--ignore-not-found', '-o', 'name')) !== ''
  }

  /** Resolves once all nodes that run are ready. */
  async nodesReady(): Promise<void> {
    for (const { place, isRunning } of this.nodes) {
      if (!isRunning) continue
      await until(`${place.name} is ready`, async () => {
        for (const daemon of this.daemons) daemon.expectRunning()
        const ready = '{.status.conditions[?(@.type=="Ready")].status}'
        const node = ['get', 'node', place.name, '--ignore-not-found']
        return (await this.kubectl(...node, '-o', `jsonpath=${ready}`)) === 'True'
      })
    }
  }

  /** Runs kubectl as the cluster's administrator; returns its output, throws with its errors. */
  async kubectl(...args: string[]): Promise<string> {
    return this.kubectlWith('', ...args)
  }

  private async kubectlWith(input: string, ...args: string[]): Promise<string> {
    const env = { KUBECONFIG: this.kubeconfig, HOME: FOLDER }
    return (await command(join(PROGRAMS, 'kubectl'), args, { input, env })).trimEnd()
  }

  /** Applies objects, all of which are of this cluster's API. */
  async apply(...objects: readonly object[]): Promise<string> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects }
    return this.kubectlWith(JSON.stringify(list), 'apply', '-f', '-')
  }

  /** Applies manifests as they stand in a file, in `namespace` those that name none. */
  async applyText(text: string, namespace?: string): Promise<string> {
    const where = namespace === undefined ? [] : ['-n', namespace]
    return this.kubectlWith(text, 'apply', ...where, '-f', '-')
  }

  /** What kubectl prints of an object as JSON. */
  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl('get', ...args, '-o', 'json')) as T
  }

  /** Gives the images of an OCI archive to every node, those that start later too. */
  async importImage(archive: string): Promise<void> {
    this.archives.push(archive)
    await Promise.all(this.nodes.map((node) => node.importImage(archive)))
  }

  /** Builds the project's own image and gives it to every node. */
  async importOwnImage(): Promise<void> {
    await this.importImage((await imageArchive()).archive)
  }

  node(index: number): KubernetesNode {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return node
  }

  /** Ends a node's kubelet and all its pods at once, as a loss of power would. */
  async killNode(index: number): Promise<void> {
    await this.node(index).kill()
  }

  /** Starts a node that was killed, with an empty disk. Resolves when it is ready. */
  async startNode(index: number): Promise<void> {
    if (this.node(index).isRunning) throw new Error(`node ${index} runs`)
    const node = new KubernetesNode(this.node(index).place)
    this.nodes[index] = node
    await this.load(node)
    node.startKubelet()
    await this.nodesReady()
  }

  /** Evicts all pods of a node, within their disruption budgets; it takes no others. */
  async drainNode(index: number, timeoutSeconds = 120): Promise<void> {
    await this.kubectl(
      ...['drain', this.node(index).place.name, '--ignore-daemonsets', '--delete-emptydir-data'],
      ...['--force', `--timeout=${timeoutSeconds}s`],
    )
  }

  /** Lets a drained node take pods again. */
  async uncordonNode(index: number): Promise<void> {
    await this.kubectl('uncordon', this.node(index).place.name)
  }

  /** Ends the API server at once. */
  async stopApiServer(): Promise<void> {
    await this.apiServer?.kill()
  }

  /** Starts it. Resolves when it serves. */
  async startApiServer(): Promise<void> {
    const server = startApiServer(this.etcdUrl)
    this.apiServer = server
    await until(
      'the API server is ready',
      async () => {
        server.expectRunning()
        return this.kubectl('get', '--raw', '/readyz').catch(() => null)
      },
      READY_POLL_MS_MAX,
    )
  }

  /** Ends all processes and removes everything they had and made, on disk and in the kernel. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
    for (const daemon of this.daemons.splice(0).reverse()) await daemon.stop()
    await this.apiServer?.kill()
    await releaseMachine({ keepLogs: process.env.E2E_KEEP !== undefined })
  }
}
