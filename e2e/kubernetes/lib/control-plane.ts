import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../lib/ports.ts'
import {
  AUTHORITY,
  certificate,
  FRONT_PROXY,
  FRONT_PROXY_CLIENT,
  kubeconfigFile,
  privateKey,
  TOKEN_KEY,
  TOKEN_PUBLIC_KEY,
} from './certificates.ts'
import { Daemon } from './daemon.ts'
import {
  API_PORT,
  CLUSTER_DOMAIN,
  FOLDER,
  HOST_ADDRESS,
  NODE_PREFIX_LENGTH,
  type NodePlace,
  POD_NETWORK,
  PROGRAMS,
  SERVICE_NETWORK,
} from './layout.ts'

export async function startEtcd(): Promise<{ etcd: Daemon; url: string }> {
  const url = `http://127.0.0.1:${await freePort()}`
  const peerUrl = `http://127.0.0.1:${await freePort()}`
  const etcd = new Daemon('etcd', 'etcd', [
    ...['--data-dir', join(FOLDER, 'etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
    ...['--initial-cluster', `default=${peerUrl}`],
  ])
  return { etcd, url }
}

/** With aggregation: the front proxy's authority and key, so that other API servers may join. */
export function startApiServer(etcdUrl: string): Daemon {
  return new Daemon('kube-apiserver', join(PROGRAMS, 'kube-apiserver'), [
    `--etcd-servers=${etcdUrl}`,
    ...[`--advertise-address=${HOST_ADDRESS}`, `--bind-address=${HOST_ADDRESS}`],
    ...[`--secure-port=${API_PORT}`, `--service-cluster-ip-range=${SERVICE_NETWORK}`],
    `--tls-cert-file=${certificate('api-server')}`,
    `--tls-private-key-file=${privateKey('api-server')}`,
    `--client-ca-file=${certificate(AUTHORITY)}`,
    `--service-account-issuer=https://kubernetes.default.svc.${CLUSTER_DOMAIN}`,
    `--service-account-key-file=${TOKEN_PUBLIC_KEY}`,
    `--service-account-signing-key-file=${TOKEN_KEY}`,
    ...['--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction'],
    `--kubelet-client-certificate=${certificate('kubelet-client')}`,
    `--kubelet-client-key=${privateKey('kubelet-client')}`,
    // Nobody resolves the names of nodes, by which logs would be fetched otherwise.
    '--kubelet-preferred-address-types=InternalIP',
    `--requestheader-client-ca-file=${certificate(FRONT_PROXY)}`,
    `--requestheader-allowed-names=${FRONT_PROXY_CLIENT}`,
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${certificate(FRONT_PROXY_CLIENT)}`,
    `--proxy-client-key-file=${privateKey(FRONT_PROXY_CLIENT)}`,
    ...['--allow-privileged=true', '--profiling=false'],
  ])
}

/** Its autoscaler looks every 2 s, not 15, and a node that says nothing is lost after 10 s, not 50. */
export function startControllerManager(): Daemon {
  const kubeconfig = kubeconfigFile('controller-manager')
  return new Daemon('kube-controller-manager', join(PROGRAMS, 'kube-controller-manager'), [
    ...[`--kubeconfig=${kubeconfig}`, '--secure-port=0', '--leader-elect=false'],
    ...['--use-service-account-credentials', `--root-ca-file=${certificate(AUTHORITY)}`],
    `--service-account-private-key-file=${TOKEN_KEY}`,
    `--cluster-signing-cert-file=${certificate(AUTHORITY)}`,
    `--cluster-signing-key-file=${privateKey(AUTHORITY)}`,
    '--horizontal-pod-autoscaler-sync-period=2s',
    ...['--node-monitor-period=1s', '--node-monitor-grace-period=10s'],
  ])
}

export function startScheduler(): Daemon {
  return new Daemon('kube-scheduler', join(PROGRAMS, 'kube-scheduler'), [
    ...[`--kubeconfig=${kubeconfigFile('scheduler')}`, '--secure-port=0', '--leader-elect=false'],
  ])
}

/** One for all nodes: they share this machine's network. */
export async function startProxy(node: NodePlace): Promise<Daemon> {
  const file = join(FOLDER, 'kube-proxy.json')
  const configuration = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: kubeconfigFile('proxy') },
    mode: 'nftables',
    clusterCIDR: POD_NETWORK,
    hostnameOverride: node.name,
    // Of all nodes, not only of the one whose name it has.
    nodePortAddresses: [`${HOST_ADDRESS}/${NODE_PREFIX_LENGTH}`],
    healthzBindAddress: `127.0.0.1:${await freePort()}`,
    metricsBindAddress: `127.0.0.1:${await freePort()}`,
    // Zero means that the machine's own limits are left as they are.
    conntrack: {
      maxPerCore: 0,
      min: 0,
      tcpEstablishedTimeout: '0s',
      tcpCloseWaitTimeout: '0s',
    },
    nftables: { syncPeriod: '10s', minSyncPeriod: '100ms' },
  }
  await writeFile(file, JSON.stringify(configuration, null, 2))
  return new Daemon('kube-proxy', join(PROGRAMS, 'kube-proxy'), [`--config=${file}`])
}

/** The cluster's names, for pods: a process of this machine, since it must not be drained. */
export async function startDns(): Promise<Daemon> {
  const file = join(FOLDER, 'Corefile')
  const corefile = `
.:53 {
  bind ${HOST_ADDRESS}
  errors
  kubernetes ${CLUSTER_DOMAIN} in-addr.arpa {
    kubeconfig ${kubeconfigFile('admin')}
    ttl 2
  }
}
`
  await writeFile(file, corefile)
  return new Daemon('coredns', join(PROGRAMS, 'coredns'), ['-conf', file])
}
