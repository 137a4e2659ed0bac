import { mkdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { accepts } from '../../../base/testing/accepts.ts'
import { until } from '../../lib/wait.ts'
import { AUTHORITY, certificate, kubeconfigFile } from './certificates.ts'
import { makeCgroup, removeCgroups } from './cgroups.ts'
import { command } from './command.ts'
import { Daemon } from './daemon.ts'
import {
  CLUSTER_DOMAIN,
  FOLDER,
  HOST_ADDRESS,
  type NodePlace,
  PAUSE_IMAGE,
  POD_BRIDGE,
  POD_GATEWAY,
  POD_NETWORK,
  PROGRAMS,
} from './layout.ts'

/** Where Debian has the programs that plug pods into the network. */
const CNI_PROGRAMS = '/usr/lib/cni'
/**
 * Folders whose names are fixed in kubelet, containerd and the CNI library. Each node has its own
 * mounted there, where only its processes see it.
 */
export const FIXED_FOLDERS = [
  '/var/lib/kubelet',
  '/var/lib/cni',
  '/run/containerd',
  '/var/log/containers',
  '/var/log/pods',
]

function writeNetworkConfiguration(node: NodePlace): string {
  const folder = join(node.folder, 'cni')
  mkdirSync(folder, { recursive: true })
  const configuration = {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: POD_BRIDGE,
        // As a gateway the plugin would turn on forwarding for the whole machine.
        isGateway: false,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          // One for all nodes: they give out addresses of one network.
          dataDir: join(FOLDER, 'pod-addresses'),
          ranges: [[{ subnet: POD_NETWORK, gateway: POD_GATEWAY }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  }
  writeFileSync(join(folder, 'pods.conflist'), JSON.stringify(configuration, null, 2))
  return folder
}

function writeContainerdConfiguration(node: NodePlace): string {
  const file = join(node.folder, 'containerd.toml')
  const network = writeNetworkConfiguration(node)
  const text = `
version = 2
root = "${join(node.folder, 'containerd')}"
state = "${join(node.folder, 'state')}"
[grpc]
  address = "${node.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(node.folder, 'opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # Without the right to lower it, which even root may lack, no container would start.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_PROGRAMS}"
    conf_dir = "${network}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`
  writeFileSync(file, text)
  return file
}

function writeKubeletConfiguration(node: NodePlace): string {
  const file = join(node.folder, 'kubelet.json')
  const resolver = join(node.folder, 'resolv.conf')
  writeFileSync(resolver, `nameserver ${HOST_ADDRESS}\n`)
  const configuration = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    healthzBindAddress: node.address,
    containerRuntimeEndpoint: `unix://${node.socket}`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: certificate(AUTHORITY) },
    },
    authorization: { mode: 'Webhook' },
    clusterDomain: CLUSTER_DOMAIN,
    clusterDNS: [HOST_ADDRESS],
    resolvConf: resolver,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: node.cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    localStorageCapacityIsolation: false,
    makeIPTablesUtilChains: false,
    oomScoreAdj: 0,
    syncFrequency: '10s',
    nodeStatusUpdateFrequency: '2s',
    nodeLeaseDurationSeconds: 8,
    // A machine's disk that is fuller than kubelet likes is no matter of a test.
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    volumePluginDir: join(node.folder, 'volume-plugins'),
  }
  writeFileSync(file, JSON.stringify(configuration, null, 2))
  return file
}

function kubeletArguments(node: NodePlace): string[] {
  const labels = [`topology.kubernetes.io/zone=${node.zone}`, 'topology.kubernetes.io/region=e2e']
  return [
    `--config=${writeKubeletConfiguration(node)}`,
    `--kubeconfig=${kubeconfigFile(node.name)}`,
    ...[`--hostname-override=${node.name}`, `--node-ip=${node.address}`],
    `--node-labels=${labels.join(',')}`,
  ]
}

/** What the first process of a node does, in namespaces of mounts and processes of its own. */
function writeScript(node: NodePlace): string {
  const file = join(node.folder, 'node.sh')
  const mounts = FIXED_FOLDERS.map((folder) => {
    const own = join(node.folder, 'fixed', folder)
    mkdirSync(own, { recursive: true })
    return `mount --bind ${own} ${folder}`
  })
  const log = (name: string): string => join(FOLDER, 'logs', `${node.name}-${name}.log`)
  const lines = [
    'set -e',
    // Volumes that kubelet mounts must show in containers that are there already.
    'mount --make-rshared /',
    ...mounts,
    `containerd --config ${writeContainerdConfiguration(node)} >> ${log('containerd')} 2>&1 &`,
    `until [ -S ${node.socket} ]; do sleep 0.05; done`,
    `until [ -e ${join(node.folder, 'go')} ]; do sleep 0.05; done`,
    `${join(PROGRAMS, 'kubelet')} ${kubeletArguments(node).join(' ')} >> ${log('kubelet')} 2>&1 &`,
    // Collects whatever ends and has no other parent.
    'wait',
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

/**
 * One node: containerd, kubelet, and the pods they run. They live in a process namespace whose end
 * is the end of them all, as when a machine loses its power.
 */
export class KubernetesNode {
  readonly place: NodePlace
  private readonly init: Daemon

  /** Starts containerd; kubelet waits for {@link startKubelet}. */
  constructor(place: NodePlace) {
    this.place = place
    mkdirSync(place.folder, { recursive: true })
    makeCgroup(place.cgroup)
    this.init = new Daemon(place.name, 'unshare', [
      ...['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'],
      ...['--mount-proc', 'sh', writeScript(place)],
    ])
  }

  get isRunning(): boolean {
    return this.init.isRunning
  }

  /** Resolves once images can be imported. */
  async containerdReady(): Promise<void> {
    await until(`containerd of ${this.place.name} listens`, () => {
      this.init.expectRunning()
      return accepts({ path: this.place.socket })
    })
  }

  /** Takes an OCI archive's images, under the names it gives them. */
  async importImage(archive: string): Promise<void> {
    const namespace = ['--address', this.place.socket, '--namespace', 'k8s.io']
    await command('ctr', [...namespace, 'images', 'import', archive])
  }

  startKubelet(): void {
    writeFileSync(join(this.place.folder, 'go'), '')
  }

  /** Ends everything on it at once, and removes what it had on disk. */
  async kill(): Promise<void> {
    await this.init.kill()
    await removeCgroups(this.place.cgroup)
    await rm(this.place.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
